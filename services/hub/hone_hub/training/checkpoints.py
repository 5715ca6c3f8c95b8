"""Answers ``RequestCheckpoint``: a model's 16- or 32-bit weights as a folder, downloaded where they are not here.

They lie apart from what additions download, which goes once a model is served. What was found of a name is kept
beside them: with the weights here, and the hub of models away, it still holds. A repository that no run has asked for
in a while is removed.
"""

import asyncio
import hashlib
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from hone_chassis import Running, Transient
from hone_chassis.database import Database
from hone_chassis.logs import get_logger
from hone_contracts.hub import Checkpoint, RequestCheckpoint
from hone_contracts.hub_models import AddedModel
from hone_contracts.huggingface import REPOSITORY, REVISION
from hone_hub import durable, worker_process
from hone_hub.adding import tables
from hone_hub.downloads.downloads import Downloads, Wanted
from hone_hub.errors import FileUnreadable, HubError
from hone_hub.file_roots import FileRoots
from hone_hub.huggingface.repository import Repositories
from hone_hub.refusals import Refused
from hone_hub.training.errands import Errands
from hone_hub.training.errors import NoCheckpoint
from hone_hub.work import CheckpointWork, FindCheckpoint, FoundCheckpoint, Step
from hone_hub.worker_process import OnStep

log = get_logger(__name__)

_HUGGING_FACE = re.compile(rf"hf:(?P<repository>{REPOSITORY[1:-1]})(@(?P<revision>{REVISION[1:-1]}))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SWEEP_EVERY_S = 6 * 3600.0
_DAY_S = 86_400.0


@dataclass(frozen=True)
class Shelf:
    """``downloads`` write below ``folder``. What nobody has asked for in ``kept_days`` goes."""

    folder: Path
    downloads: Downloads
    kept_days: float


class Checkpoints:
    """``given`` are the folders that anybody may name, ``added`` those of models that were added."""

    def __init__(
        self,
        *,
        database: Database,
        given: FileRoots,
        added: FileRoots,
        repositories: Repositories,
        shelf: Shelf,
        errands: Errands,
    ) -> None:
        self._database, self._given, self._added = database, given, added
        self._repositories, self._shelf, self._errands = repositories, shelf, errands

    async def find(self, question: RequestCheckpoint) -> Checkpoint:
        """Raises Refused."""
        try:
            place = await self._place(question)
            came = await self._errands.ask(("checkpoint", place), partial(self._ready, place))
        except HubError as error:
            raise Refused.because(error) from error
        if isinstance(came, Step):
            return Checkpoint(done_bytes=came.done, total_bytes=came.total)
        return came

    async def keep_sweeping(self, _running: Running) -> None:
        """As long as the service runs."""
        while True:
            try:
                await self.sweep()
            except (Transient, OSError) as error:
                log.warning("weights that nobody asks for could not be removed", error=str(error))
            await asyncio.sleep(_SWEEP_EVERY_S)

    async def _place(self, question: RequestCheckpoint) -> Path | FindCheckpoint:
        """Raises NoCheckpoint, NotFileUri, OutsideRoots."""
        model = question.model
        if (named := _HUGGING_FACE.fullmatch(model)) is not None:
            return FindCheckpoint(
                kind="checkpoint", repository=named["repository"], revision=named["revision"]
            )
        if model.startswith("file:"):
            return self._given.path_of(model)
        async with self._database.read() as session:
            row = await tables.called(session, question.tenant, model)
        if row is None:
            raise NoCheckpoint(model, "it was not added with `hone hub add`")
        return self._place_of(row.told)

    def _place_of(self, model: AddedModel) -> Path | FindCheckpoint:
        source = model.source
        if source.kind == "huggingface":
            return FindCheckpoint(kind="checkpoint", repository=source.repository, revision=source.revision)
        if source.kind == "folder":
            return self._added.path_of(Path(source.repository).as_uri())
        what = "a GGUF file" if source.kind == "file" else "Ollama's library"
        raise NoCheckpoint(model.name, f"it was added from {what}, which does not tell them")

    async def _ready(self, place: Path | FindCheckpoint, tell: OnStep) -> Checkpoint:
        """Raises HubError, Refused."""
        if isinstance(place, Path):
            await _check(place, tell)
            return Checkpoint(uri=place.as_uri(), source=place.as_uri())
        return await self._fetched(place, tell)

    async def _fetched(self, question: FindCheckpoint, tell: OnStep) -> Checkpoint:
        found = await self._found(question)
        wanted = Wanted(found.repository, found.revision, found.files)
        fetched = await self._shelf.downloads.fetch(wanted, tell)
        await _check(fetched.folder, tell)
        for asked in (question, _pinned(found)):
            await asyncio.to_thread(_keep, self._record(asked), found)
        size_bytes = sum(file.size_bytes for file in found.files)
        return Checkpoint(
            uri=fetched.folder.as_uri(),
            source=f"hf:{found.repository}@{found.revision}",
            done_bytes=size_bytes,
            total_bytes=size_bytes,
            licence=found.licence,
        )

    async def _found(self, question: FindCheckpoint) -> FoundCheckpoint:
        """A commit stays what it is; of everything else the hub is asked anew, unless it is away. Raises Refused."""
        known = _read(self._record(question))
        if known is not None and _COMMIT.fullmatch(question.revision or ""):
            return known
        try:
            return await self._repositories.checkpoint(question)
        except Refused as refused:
            if known is None or not refused.transient:
                raise
            log.warning("weights as they were found last", repository=known.repository, error=str(refused))
            return known

    async def sweep(self) -> None:
        """Remove what no run has asked for in a while."""
        records = await asyncio.to_thread(_aged, self._shelf.folder / "found")
        most_s = self._shelf.kept_days * _DAY_S
        used = {(found.repository, found.revision) for _, found, age_s in records if age_s <= most_s}
        for path, found, age_s in records:
            if age_s <= most_s:
                continue
            path.unlink(missing_ok=True)
            if (found.repository, found.revision) not in used:
                freed = await self._shelf.downloads.remove(found.repository, found.revision)
                log.info("weights that nobody asks for were removed", of=found.repository, freed_bytes=freed)

    def _record(self, question: FindCheckpoint) -> Path:
        name = f"{question.repository}@{question.revision or ''}"
        return self._shelf.folder / "found" / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"


async def _check(folder: Path, tell: OnStep) -> None:
    """In a process of its own: the files are a stranger's. Raises Refused."""
    await worker_process.run(CheckpointWork(folder=folder), tell)


def _keep(record: Path, found: FoundCheckpoint) -> None:
    """Its time is when it was asked for last. Raises FileUnreadable."""
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        if _read(record) != found:
            durable.write_text(record, found.model_dump_json(indent=1))
        os.utime(record)
    except OSError as error:
        raise FileUnreadable(record, error) from error


def _read(record: Path) -> FoundCheckpoint | None:
    try:
        return FoundCheckpoint.model_validate_json(record.read_bytes())
    except (OSError, ValidationError):
        return None


def _pinned(found: FoundCheckpoint) -> FindCheckpoint:
    """As its source asks for it later."""
    return FindCheckpoint(kind="checkpoint", repository=found.repository, revision=found.revision)


def _aged(folder: Path) -> list[tuple[Path, FoundCheckpoint, float]]:
    """Record, what it says, seconds since it was asked for."""
    aged = []
    for path in folder.glob("*.json"):
        with suppress(FileNotFoundError):
            if (found := _read(path)) is not None:
                aged.append((path, found, time.time() - path.stat().st_mtime))
    return aged
