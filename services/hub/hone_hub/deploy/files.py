"""Weights of versions as GGUF files under the folder of models, which hold a version whole and proven, or not at all.

Beside ``v2_….gguf`` stands ``v2_….json``, which tells whose it is. Before it is proven the file is called
``v2_….gguf.unproven``, and no provider loads it.
"""

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from hone_contracts.training import TrainingCompleted
from hone_hub import durable, worker_process
from hone_hub.adding.digests import sha256_of
from hone_hub.converting import converted
from hone_hub.deploy.errors import DigestNotTold, FileChanged, OtherVersion, UnsoundFile, VersionTaken
from hone_hub.deploy.models.facts import added_bos
from hone_hub.deploy.taking import take
from hone_hub.deploy.versions import plain, reference, version_name
from hone_hub.errors import FileMissing, FileUnreadable
from hone_hub.file_roots import FileRoots
from hone_hub.work import ConvertWork, InspectWork, Prompt, Step
from hone_hub.worker_process import OnStep


class Record(BaseModel):
    """What is known of a version's file; ``run`` made it. ``prompts`` are how it reads conversations; ``end`` is the
    token that it ends its answers with, ``begin`` the one that the tokenizer begins every text with."""

    run: str
    sha256: str
    size_bytes: int
    proof: dict[str, Any]
    prompts: tuple[Prompt, ...] = ()
    end: str = ""
    begin: int | None = None


@dataclass(frozen=True)
class Made:
    """A file that was converted or given, and inspected, and is not proven yet."""

    path: Path
    sha256: str
    size_bytes: int
    report: dict[str, Any]


class VersionFiles:
    def __init__(self, folder: Path, roots: FileRoots) -> None:
        self._folder, self._roots = folder, roots

    def target(self, order: TrainingCompleted) -> Path:
        """Where the version's file is, once it is proven. Raises BadModelName, BadVersionName."""
        name = version_name(order.planned)
        return self._folder / plain(reference(order.planned).name) / f"{name}.gguf"

    async def proven(self, order: TrainingCompleted) -> Record | None:
        """Of the file that an earlier delivery of the same order left. Raises VersionTaken when it is another's."""
        target = self.target(order)
        if not target.exists():
            return None
        record = _read(_record_of(target))
        if record is None or record.run != order.correlation_id:
            raise VersionTaken(str(target), "move it away, and train again")
        same = await asyncio.to_thread(durable.sha256_of, target) == record.sha256
        return record if same else None

    async def make(self, order: TrainingCompleted, tell: OnStep) -> Made:
        """Raises HubError, Refused."""
        target = self.target(order)
        unproven = _unproven(target)
        _create_folder(target.parent)
        if order.gguf_uri is None:
            sha256 = await self._convert(order, unproven, tell)
        else:
            sha256 = await self._take(order, order.gguf_uri, unproven, tell)
        size_bytes = unproven.stat().st_size
        await tell(Step(stage="inspect", message=target.name, done=size_bytes, total=size_bytes))
        inspected = await worker_process.run(InspectWork(path=unproven), tell)
        if not inspected["ok"]:
            raise UnsoundFile([each["message"] for each in inspected["problems"]])
        if inspected["model_version"] != version_name(order.planned):
            raise OtherVersion(order.gguf_uri or "", inspected["model_version"], version_name(order.planned))
        return Made(path=unproven, sha256=sha256, size_bytes=size_bytes, report=inspected)

    async def _convert(self, order: TrainingCompleted, unproven: Path, tell: OnStep) -> str:
        """Its digest. Raises HubError, Refused."""
        assert order.weights_uri is not None
        work = ConvertWork(
            source=self._roots.path_of(order.weights_uri),
            target=unproven,
            quantization="q8_0",
            overwrite=True,
            name=reference(order.planned).name,
            version=version_name(order.planned),
        )
        return str((await converted(work, tell))["sha256"])

    async def _take(self, order: TrainingCompleted, uri: str, unproven: Path, tell: OnStep) -> str:
        """The file that was evaluated, byte for byte. Raises HubError."""
        source = self._roots.path_of(uri)
        if order.gguf_sha256 is None:
            raise DigestNotTold(source)
        if not source.is_file():
            raise FileMissing(source, "train again: what was evaluated is gone")
        try:
            self.remove_unproven(order)
            await take(source, unproven, source.stat().st_size, tell)
        except OSError as error:
            raise FileUnreadable(unproven, error) from error
        (sha256,) = await sha256_of([unproven], tell)
        if sha256 != order.gguf_sha256:
            raise FileChanged(source)
        return sha256

    def publish(
        self, order: TrainingCompleted, made: Made, proof: dict[str, Any], prompts: tuple[Prompt, ...]
    ) -> Record:
        """The record first: a file without one is nobody's."""
        target = self.target(order)
        record = Record(
            run=order.correlation_id,
            sha256=made.sha256,
            size_bytes=made.size_bytes,
            proof=proof,
            prompts=prompts,
            end=_end(made.report),
            begin=_begin(made.report),
        )
        durable.write_text(_record_of(target), record.model_dump_json(indent=1))
        made.path.replace(target)
        durable.sync(target.parent)
        return record

    def remove_unproven(self, order: TrainingCompleted) -> None:
        _unproven(self.target(order)).unlink(missing_ok=True)

    def remove(self, order: TrainingCompleted) -> None:
        """What this run made of the version, proven or not."""
        self.remove_unproven(order)
        target = self.target(order)
        record = _read(_record_of(target))
        if record is not None and record.run == order.correlation_id:
            target.unlink(missing_ok=True)
            _record_of(target).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # others' versions lie there
            target.parent.rmdir()


def _end(report: dict[str, Any]) -> str:
    special = (report["tokenizer"] or {}).get("special", {})
    return special.get("eos", {}).get("text") or ""


def _begin(report: dict[str, Any]) -> int | None:
    special = (report["tokenizer"] or {}).get("special", {})
    return special["bos"]["id"] if added_bos(report["tokenizer"]) is not None else None


def _unproven(target: Path) -> Path:
    return target.with_name(f"{target.name}.unproven")


def _record_of(target: Path) -> Path:
    return target.with_suffix(".json")


def _create_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileUnreadable(folder, error) from error


def _read(path: Path) -> Record | None:
    try:
        return Record.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
