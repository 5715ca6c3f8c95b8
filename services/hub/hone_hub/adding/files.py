"""The file that is to be served: fetched, converted where it must be, inspected, its digest known. Each step finds
what an earlier try left."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ValidationError

from hone_hub.adding.digests import sha256_of
from hone_hub.adding.holding import Holding
from hone_hub.adding.inspected import Inspected, inspected
from hone_hub.adding.looking import Looked
from hone_hub.adding.used import Used
from hone_hub.converting import converted
from hone_hub.deploy.models.order import ModelFile
from hone_hub.downloads.downloads import Downloads
from hone_hub.errors import FileUnreadable
from hone_hub.work import ConvertWork
from hone_hub.worker_process import OnStep

_RECORD = "converted.json"


@dataclass(frozen=True)
class Ready:
    """A ``file`` to be served, or a ``folder`` that Ollama makes a model of."""

    file: ModelFile | None
    inspected: Inspected
    used: Used
    folder: Path | None = None


class _Converted(BaseModel):
    """The record beside a converted file; ``modified_ns`` tells whether it is still the same."""

    sha256: str
    size_bytes: int
    modified_ns: int
    warnings: tuple[str, ...] = ()


class ModelFiles:
    """``folder`` is for what is converted."""

    def __init__(self, folder: Path, downloads: Downloads, holding: Holding) -> None:
        self._folder, self._downloads, self._holding = folder, downloads, holding

    async def ready(self, looked: Looked, tell: OnStep) -> Ready:
        """Raises HubError, Refused."""
        fetched = None if looked.wanted is None else await self._downloads.fetch(looked.wanted, tell)
        used = used_by(looked)
        if looked.imported:
            folder = looked.folder if fetched is None else fetched.folder
            assert looked.inspected is not None, "what is imported was looked at"
            return Ready(None, looked.inspected, used, folder)
        if looked.convert_to is not None:
            folder = looked.folder if fetched is None else fetched.folder
            assert folder is not None, "what is converted lies in a folder"
            made, record = await self._convert(looked, folder, used.converted, tell)
            found = await inspected([made], tell)
            found = replace(found, warnings=(*record.warnings, *found.warnings))
            return Ready(ModelFile(made, record.sha256, record.size_bytes), found, used)
        paths = looked.files if fetched is None else fetched.paths
        found = looked.inspected or await inspected(paths, tell)
        return Ready(_model_file(paths, await self._digests(looked, paths, tell)), found, used)

    def is_converted(self, looked: Looked) -> bool:
        key = used_by(looked).converted
        return bool(key) and _read(self._target(key)) is not None

    def _target(self, key: str) -> Path:
        return self._folder / key / "model.gguf"

    async def _digests(self, looked: Looked, paths: tuple[Path, ...], tell: OnStep) -> list[str]:
        told = () if looked.wanted is None else looked.wanted.files
        known = [file.sha256 for file in told if file.sha256 is not None]
        return known if len(known) == len(paths) else await sha256_of(paths, tell)

    async def _convert(self, looked: Looked, folder: Path, key: str, tell: OnStep) -> tuple[Path, _Converted]:
        assert looked.convert_to is not None
        target = self._target(key)
        async with self._holding.alone(("converting", key)):
            record = _read(target)
            if record is not None:
                return target, record
            _empty(target.parent)
            name, _, _ = looked.name.partition(":")
            work = ConvertWork(
                source=folder, target=target, quantization=looked.convert_to, overwrite=True, name=name
            )
            report = await converted(work, tell)
            record = _Converted(
                sha256=report["sha256"],
                size_bytes=report["size_bytes"],
                modified_ns=target.stat().st_mtime_ns,
                warnings=tuple(report["warnings"]),
            )
            _record_of(target).write_text(record.model_dump_json())
            return target, record


def used_by(looked: Looked) -> Used:
    """What an addition puts on the hub's own disk."""
    wanted = looked.wanted
    return Used(
        repository="" if wanted is None else wanted.repository,
        revision="" if wanted is None else wanted.revision,
        files=() if wanted is None else looked.source.files,
        converted="" if looked.convert_to is None else _key(looked),
    )


def _key(looked: Looked) -> str:
    """Of a conversion: what is converted, and to what. A folder whose files change is another one."""
    source = looked.source
    parts = [source.kind, source.repository, source.revision or "", str(looked.convert_to)]
    if looked.folder is not None:
        for path in sorted(each for each in looked.folder.iterdir() if each.exists()):
            stat = path.stat()
            parts += [path.name, str(stat.st_size), str(stat.st_mtime_ns)]
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:32]


def _model_file(paths: tuple[Path, ...], digests: list[str]) -> ModelFile:
    (first, sha256, size), *others = [
        (path, digest, path.stat().st_size) for path, digest in zip(paths, digests, strict=True)
    ]
    return ModelFile(first, sha256, size, tuple(others))


def _empty(folder: Path) -> None:
    """Of what a hub that was killed left in the middle. Raises FileUnreadable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.iterdir():
            left.unlink()
    except OSError as error:
        raise FileUnreadable(folder, error) from error


def _record_of(target: Path) -> Path:
    return target.with_name(_RECORD)


def _read(target: Path) -> _Converted | None:
    try:
        record = _Converted.model_validate_json(_record_of(target).read_bytes())
        stat = target.stat()
    except (OSError, ValidationError):
        return None
    same = (stat.st_size, stat.st_mtime_ns) == (record.size_bytes, record.modified_ns)
    return record if same else None
