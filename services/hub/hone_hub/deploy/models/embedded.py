"""Added models for the engine that ships with Hone: files in the folder of models, proven before they are there."""

import asyncio
import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from hone_hub import durable, worker_process
from hone_hub.deploy.errors import TemplateDiffers
from hone_hub.deploy.models.answering import QUESTIONS, judged, most_tokens
from hone_hub.deploy.models.errors import CopyBroken, ModelNameTaken, NotEmbeddable, NoTemplate
from hone_hub.deploy.models.facts import facts_of
from hone_hub.deploy.models.order import DeployOrder, ModelFile, Placed
from hone_hub.deploy.proving import threads_for
from hone_hub.deploy.taking import take
from hone_hub.deploy.versions import plain
from hone_hub.errors import FileUnreadable, TookTooLong
from hone_hub.work import Proof, ProveWork, RenderWork, Step
from hone_hub.worker_process import OnStep

_CONTEXT_TOKENS = 2048
_SLOWEST_LOAD_BYTES_PER_S = 50e6  # a disk that turns


class Record(BaseModel):
    """Beside the first file, of which the digest is; ``files`` are the names of all."""

    name: str
    sha256: str
    size_bytes: int
    files: tuple[str, ...]
    proof: dict[str, Any]


class EmbeddedModels:
    def __init__(self, folder: Path, limit_s: float) -> None:
        self._folder, self._limit_s = folder, limit_s

    async def deploy(self, order: DeployOrder, tell: OnStep) -> Placed:
        """Raises HubError, Refused."""
        if order.file is None:
            raise NotEmbeddable(
                "the embedded engine loads GGUF files alone", "convert it first, or use Ollama"
            )
        file, record_path = order.file, self._record(order.name)
        there = _read(record_path)
        same = there is not None and there.sha256 == file.sha256
        if there is not None and same and await self._whole(order.name, there):
            return self._placed(order.name, there)
        taken = there is not None or record_path.with_suffix(".gguf").exists()
        if taken and not same and not order.replace:
            raise ModelNameTaken(order.name, "the embedded engine")
        proof = await self._prove(file, order.context_tokens, tell)
        if there is not None:
            await self.remove(order.name)
        record = Record(
            name=order.name,
            sha256=file.sha256,
            size_bytes=file.total_bytes,
            files=_names(record_path, file),
            proof=proof,
        )
        await self._publish(file, record, tell)
        return self._placed(order.name, record)

    async def remove(self, name: str) -> int:
        """What was added under this name, and nothing that Hone did not bring; bytes freed."""
        path = self._record(name)
        record = _read(path)
        if record is None or record.name != name:
            return 0
        freed = 0
        for each in _files(path, record):
            with contextlib.suppress(FileNotFoundError):
                stat = each.stat()
                each.unlink()
                freed += stat.st_size if stat.st_nlink == 1 else 0
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # others lie there
            path.parent.rmdir()
        return freed

    async def _prove(self, file: ModelFile, context_tokens: int | None, tell: OnStep) -> dict[str, Any]:
        facts = await facts_of(file.path, self._limit_s, tell)
        if not facts.renders:
            raise NoTemplate(file.path.name)
        await tell(Step(stage="prove", message=file.path.name, done=0, total=file.total_bytes))
        conversations = tuple(conversation for conversation, _ in facts.rendered())
        render = RenderWork(path=file.path, conversations=conversations, as_engine=True)
        work = ProveWork(
            path=file.path,
            context_tokens=min(
                each for each in (_CONTEXT_TOKENS, context_tokens, facts.context_tokens) if each
            ),
            threads=threads_for(file.total_bytes),
            questions=QUESTIONS,
            max_tokens=most_tokens(facts.thinks),
            conversations=conversations,
        )
        limit_s = self._limit_s + file.total_bytes / _SLOWEST_LOAD_BYTES_PER_S
        try:
            async with asyncio.timeout(limit_s):
                proof = Proof.model_validate(await worker_process.run(work, tell))
                rendered = (await worker_process.run(render, tell))["rendered"]
        except TimeoutError as error:
            raise TookTooLong(limit_s) from error
        _check_rendered(file.path, rendered, facts.bos, proof)
        return {
            "engine": "llama.cpp",
            "load_ms": round(proof.load_ms, 1),
            "template": f"{len(conversations)} conversations rendered as Jinja does",
            **judged(proof.answers, facts.thinks),
        }

    async def _publish(self, file: ModelFile, record: Record, tell: OnStep) -> None:
        """The record first: a file without one is nobody's, and one that lacks a file is none."""
        path = self._record(record.name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(path, record.model_dump_json(indent=1))
            for (source, sha256, size_bytes), target in zip(file.parts(), _files(path, record), strict=True):
                await _put(source, target, sha256, size_bytes, tell)
        except OSError as error:
            await self.remove(record.name)
            raise FileUnreadable(path.parent, error) from error
        except BaseException:
            await self.remove(record.name)
            raise

    async def _whole(self, name: str, record: Record) -> bool:
        """Whether its files are there; the first one is read, as its digest is known."""
        path = self._record(name)
        files = _files(path, record)
        if record.name != name or not all(each.is_file() for each in files):
            return False
        if sum(each.stat().st_size for each in files) != record.size_bytes:
            return False
        return await asyncio.to_thread(durable.sha256_of, files[0]) == record.sha256

    def _record(self, name: str) -> Path:
        model, _, tag = name.partition(":")
        return self._folder / plain(model) / f"{plain(tag or model)}.json"

    def _placed(self, name: str, record: Record) -> Placed:
        first = _files(self._record(name), record)[0]
        return Placed(f"llamacpp:{name}", record.sha256, record.size_bytes, first.as_uri(), record.proof)


def _check_rendered(path: Path, rendered: Sequence[str], bos: str | None, proof: Proof) -> None:
    """Raises TemplateDiffers."""
    for text, found in zip(rendered, proof.rendered, strict=True):
        wanted = text.removeprefix(bos or "")  # llama.cpp takes away the one that the tokenizer adds
        if found != wanted:
            raise TemplateDiffers(path.name, wanted, found or "")


def _names(record_path: Path, file: ModelFile) -> tuple[str, ...]:
    """llama.cpp finds shards by how they are called."""
    stem, count = record_path.stem, 1 + len(file.shards)
    if count == 1:
        return (f"{stem}.gguf",)
    return tuple(f"{stem}-{number:05}-of-{count:05}.gguf" for number in range(1, count + 1))


def _files(record_path: Path, record: Record) -> list[Path]:
    return [record_path.with_name(Path(name).name) for name in record.files]


async def _put(source: Path, target: Path, sha256: str, size_bytes: int, tell: OnStep) -> None:
    """Raises CopyBroken, OSError."""
    unfinished = target.with_name(f"{target.name}.part")
    unfinished.unlink(missing_ok=True)
    try:
        copied = await take(source, unfinished, size_bytes, tell)
        if copied and await asyncio.to_thread(durable.sha256_of, unfinished) != sha256:
            raise CopyBroken(source.name)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)


def _read(path: Path) -> Record | None:
    try:
        return Record.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _write(path: Path, text: str) -> None:
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
