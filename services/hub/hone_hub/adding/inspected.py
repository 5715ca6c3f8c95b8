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
    """Every file goes through the reader; the first shard tells of the model. Raises UnsoundModel, Refused."""
    total = sum(path.stat().st_size for path in paths)
    reports, done = [], 0
    for path in paths:
        await tell(Step(stage="inspect", message=path.name, done=done, total=total))
        report = await worker_process.run(InspectWork(path=path), tell)
        problems = report["problems"]
        if not report["ok"]:
            raise UnsoundModel(
                path.name, [each["message"] for each in problems if each["severity"] == "error"]
            )
        reports.append(report)
        done += path.stat().st_size
    await tell(Step(stage="inspect", message=paths[-1].name, done=total, total=total))
    first = reports[0]
    template = (first["chat_template"] or {}).get("text")
    return Inspected(
        architecture=first["architecture"],
        parameters=sum(report["parameters"] for report in reports) or None,
        quant=first["quant"],
        context_tokens=first["context_length"],
        template_sha256=hashlib.sha256(template.encode(errors="replace")).hexdigest() if template else "",
        memory=_memory(reports),
        warnings=tuple(each["message"] for report in reports for each in report["problems"]),
    )


def _memory(reports: Sequence[dict[str, Any]]) -> MemoryFigures | None:
    """The header tells of layers and heads; the weights are of all shards."""
    told = reports[0]["memory"]
    if told is None:
        return None
    weights = sum((report["memory"] or {"weights_bytes": 0})["weights_bytes"] for report in reports)
    return MemoryFigures(
        context_tokens=told["context"],
        weights_bytes=weights,
        kv_cache_bytes=told["kv_cache_bytes"],
        compute_bytes=told["compute_bytes"],
        total_bytes=weights + told["kv_cache_bytes"] + told["compute_bytes"],
    )
