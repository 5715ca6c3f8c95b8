"""Answers ``RequestConversion``: a folder becomes a file in the background, whole or not at all, once.

Beside ``model.gguf`` stands ``model.gguf.json``, which tells what it was made of. The conversion itself is
deterministic: the same folder, quantization, name and version give the same bytes. Several hubs may be asked in turn:
who converts holds a lock on the target's folder, which goes with its process.
"""

import asyncio
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from hone_contracts.hub import Conversion, Quantization, RequestConversion
from hone_hub import durable
from hone_hub.converting import converted
from hone_hub.deploy.errors import VersionTaken
from hone_hub.errors import FileMissing, FileUnreadable, HubError, TargetNotGGUF
from hone_hub.file_roots import FileRoots
from hone_hub.refusals import Refused
from hone_hub.training.errands import Errands
from hone_hub.work import ConvertWork, Step
from hone_hub.worker_process import OnStep

_LOCK_EVERY_S = 0.2
_MOST_SOURCE_FILES = 10_000


class Wanted(BaseModel):
    """What a file is made of. ``files`` is a digest of the folder's names, sizes and times: what was trained anew is
    converted anew."""

    model_config = ConfigDict(frozen=True)

    source: Path
    files: str
    quantization: Quantization
    name: str
    version: str


class _Made(BaseModel):
    """The record beside a file; ``modified_ns`` tells whether it is still the one that was hashed."""

    wanted: Wanted
    sha256: str
    size_bytes: int
    modified_ns: int

    def is_of(self, target: Path) -> bool:
        try:
            stat = target.stat()
        except OSError:
            return False
        return (stat.st_size, stat.st_mtime_ns) == (self.size_bytes, self.modified_ns)

    def told(self) -> Conversion:
        size = self.size_bytes
        return Conversion(sha256=self.sha256, size_bytes=size, done_bytes=size, total_bytes=size)


class FolderConversions:
    """``parallel``: how many are at work at a time; the others wait."""

    def __init__(self, roots: FileRoots, errands: Errands, parallel: int) -> None:
        self._roots, self._errands = roots, errands
        self._turns = asyncio.Semaphore(parallel)

    async def convert(self, question: RequestConversion) -> Conversion:
        """Raises Refused."""
        try:
            wanted, target = await asyncio.to_thread(self._read, question)
            if (made := _made(wanted, target)) is not None:
                return made.told()
            work = partial(self._convert, wanted, target)
            came = await self._errands.ask(("convert", target, wanted), work)
        except HubError as error:
            raise Refused.because(error) from error
        if isinstance(came, Step):
            return Conversion(done_bytes=came.done, total_bytes=came.total)
        return came.told()

    def _read(self, question: RequestConversion) -> tuple[Wanted, Path]:
        """Raises HubError."""
        source, target = (self._roots.path_of(uri) for uri in (question.source_uri, question.target_uri))
        if target.suffix.lower() != ".gguf":
            raise TargetNotGGUF(target)
        if not target.parent.is_dir():
            raise FileMissing(target.parent, "create the folder first")
        if not source.is_dir():
            raise FileMissing(source, "give the folder that holds config.json and model.safetensors")
        wanted = Wanted(
            source=source,
            files=listed(source),
            quantization=question.quantization,
            name=question.name,
            version=question.version,
        )
        return wanted, target

    async def _convert(self, wanted: Wanted, target: Path, tell: OnStep) -> _Made:
        """Raises HubError, Refused."""
        async with _alone_in(target.parent), self._turns:
            if (made := _made(wanted, target)) is not None:
                return made  # by another hub, while we waited
            _check_free(target)
            making = target.with_name(f".{target.name}.making")
            try:
                work = ConvertWork(
                    source=wanted.source,
                    target=making,
                    quantization=wanted.quantization,
                    overwrite=True,
                    name=wanted.name,
                    version=wanted.version,
                )
                report = await converted(work, tell)
                return await asyncio.to_thread(_published, wanted, making, target, report["sha256"])
            except OSError as error:
                raise FileUnreadable(target, error) from error
            finally:
                making.unlink(missing_ok=True)


def _check_free(target: Path) -> None:
    """Raises VersionTaken for what no question made."""
    if target.exists() and _record(target) is None:
        raise VersionTaken(str(target), "move it away, or name another target")


def _published(wanted: Wanted, making: Path, target: Path, sha256: str) -> _Made:
    """The record first: a file without one is somebody else's, and is never replaced."""
    stat = making.stat()
    made = _Made(wanted=wanted, sha256=sha256, size_bytes=stat.st_size, modified_ns=stat.st_mtime_ns)
    durable.write_text(_record_of(target), made.model_dump_json(indent=1))
    making.replace(target)
    durable.sync(target.parent)
    return made


def _made(wanted: Wanted, target: Path) -> _Made | None:
    """What is there already of just this."""
    record = _record(target)
    return record if record is not None and record.wanted == wanted and record.is_of(target) else None


def _record(target: Path) -> _Made | None:
    try:
        return _Made.model_validate_json(_record_of(target).read_bytes())
    except (OSError, ValidationError):
        return None


def _record_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.json")


def listed(folder: Path) -> str:
    """A digest of its files' names, sizes and times. Raises FileUnreadable."""
    digest = hashlib.sha256()
    try:
        for path in sorted(folder.iterdir())[:_MOST_SOURCE_FILES]:
            stat = path.stat()
            digest.update(f"{path.name}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode(errors="replace"))
    except OSError as error:
        raise FileUnreadable(folder, error) from error
    return digest.hexdigest()


@asynccontextmanager
async def _alone_in(folder: Path) -> AsyncIterator[None]:
    """Wait for whoever converts into it, in this process or another. Raises FileUnreadable."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise FileUnreadable(folder, error) from error
    try:
        while not _locked(descriptor):  # noqa: ASYNC110 (another process's, which tells nobody)
            await asyncio.sleep(_LOCK_EVERY_S)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
