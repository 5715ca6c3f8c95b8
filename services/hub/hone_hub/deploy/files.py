"""Weights of versions as GGUF files under the folder of models, which hold a version whole and proven, or not at all.

Beside ``v2_….gguf`` stands ``v2_….json``, which tells whose it is. Before it is proven the file is called
``v2_….gguf.unproven``, and no provider loads it.
"""

import asyncio
import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from hone_contracts.training import TrainingCompleted
from hone_hub import worker_process
from hone_hub.converting import converted
from hone_hub.deploy.errors import UnsoundFile, VersionTaken
from hone_hub.deploy.versions import plain, reference, version_name
from hone_hub.errors import FileUnreadable
from hone_hub.file_roots import FileRoots
from hone_hub.work import ConvertWork, InspectWork, Prompt, Step
from hone_hub.worker_process import OnStep


class Record(BaseModel):
    """What is known of a version's file; ``run`` made it. ``prompts`` are how it reads conversations; ``end`` is the
    token that it ends its answers with."""

    run: str
    sha256: str
    size_bytes: int
    proof: dict[str, Any]
    prompts: tuple[Prompt, ...] = ()
    end: str = ""


@dataclass(frozen=True)
class Made:
    """A file that was converted and inspected, and is not proven yet."""

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
        same = await asyncio.to_thread(_sha256, target) == record.sha256
        return record if same else None

    async def make(self, order: TrainingCompleted, tell: OnStep) -> Made:
        """Raises HubError, Refused."""
        assert order.weights_uri is not None
        source, target = self._roots.path_of(order.weights_uri), self.target(order)
        unproven = _unproven(target)
        _create_folder(target.parent)
        work = ConvertWork(
            source=source,
            target=unproven,
            quantization="q8_0",
            overwrite=True,
            name=reference(order.planned).name,
            version=version_name(order.planned),
        )
        report = await converted(work, tell)
        sha256, size_bytes = report["sha256"], report["size_bytes"]
        await tell(Step(stage="inspect", message=target.name, done=size_bytes, total=size_bytes))
        inspected = await worker_process.run(InspectWork(path=unproven), tell)
        if not inspected["ok"]:
            raise UnsoundFile([each["message"] for each in inspected["problems"]])
        return Made(path=unproven, sha256=sha256, size_bytes=size_bytes, report=inspected)

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
        )
        _write(_record_of(target), record.model_dump_json(indent=1))
        made.path.replace(target)
        _sync(target.parent)
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


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(f"{path.name}.part")
    with unfinished.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
