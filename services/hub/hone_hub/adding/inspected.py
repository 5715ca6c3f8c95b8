"""What the reader found in a GGUF that passed it."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hone_contracts.huggingface import MemoryFigures
from hone_hub import worker_process
from hone_hub.adding.errors import UnsoundModel
from hone_hub.work import InspectWork, Step
from hone_hub.worker_process import OnStep


@dataclass(frozen=True)
class Inspected:
    """``context_tokens`` is what it was trained for; ``template_sha256`` is "" where it has no chat template."""

    architecture: str | None
    parameters: int | None
    quant: str | None
    context_tokens: int | None
    template_sha256: str
    memory: MemoryFigures | None
    warnings: tuple[str, ...]


async def inspected(paths: Sequence[Path], tell: OnStep) -> Inspected:
    """Every file goes through the reader, shards as the one model that they make. Raises UnsoundModel, Refused."""
    first, total = paths[0], sum(path.stat().st_size for path in paths)
    await tell(Step(stage="inspect", message=first.name, done=0, total=total))
    report = await worker_process.run(InspectWork(path=first, others=tuple(paths[1:])), tell)
    problems = report["problems"]
    if not report["ok"]:
        raise UnsoundModel(first.name, [each["message"] for each in problems if each["severity"] == "error"])
    await tell(Step(stage="inspect", message=first.name, done=total, total=total))
    template = (report["chat_template"] or {}).get("text")
    return Inspected(
        architecture=report["architecture"],
        parameters=report["parameters"] or None,
        quant=report["quant"],
        context_tokens=report["context_length"],
        template_sha256=hashlib.sha256(template.encode(errors="replace")).hexdigest() if template else "",
        memory=_memory(report["memory"]),
        warnings=tuple(each["message"] for each in problems),
    )


def _memory(told: dict[str, Any] | None) -> MemoryFigures | None:
    if told is None:
        return None
    return MemoryFigures(
        context_tokens=told["context"],
        weights_bytes=told["weights_bytes"],
        kv_cache_bytes=told["kv_cache_bytes"],
        compute_bytes=told["compute_bytes"],
        total_bytes=told["total_bytes"],
    )
