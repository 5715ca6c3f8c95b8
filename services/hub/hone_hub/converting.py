"""A conversion in a worker process, told of as it goes, that leaves a whole file or none."""

from pathlib import Path
from typing import Any

from hone_chassis import ProgressPublisher
from hone_hub import worker_process
from hone_hub.rate import Rate, in_words
from hone_hub.work import ConvertWork, Step
from hone_hub.worker_process import OnStep


async def converted(work: ConvertWork, tell: OnStep) -> dict[str, Any]:
    """The report of the conversion, with the file's ``sha256``. Raises Refused."""
    before = _unfinished(work.target)
    try:
        return await worker_process.run(work, tell)
    finally:
        # A worker that ends by itself cleans up; one that was killed could not.
        for left in _unfinished(work.target) - before:
            left.unlink(missing_ok=True)


def steps_to(progress: ProgressPublisher) -> OnStep:
    """Steps as the job's progress; where they count bytes, with how fast it goes and how long it will take."""
    rates: dict[tuple[str, int], Rate] = {}

    async def tell(step: Step) -> None:
        words = ""
        if 0 < step.done < step.total:
            rate = rates.setdefault((step.stage, step.total), Rate())
            words = in_words(rate.at(step.done), step.total - step.done)
        message = ", ".join(filter(None, (step.message, words)))
        await progress(step.stage, message, done=step.done, total=step.total)

    return tell


def _unfinished(target: Path) -> set[Path]:
    """The files that conversions to ``target`` are writing, or left."""
    return {each for each in target.parent.glob(".*.part") if each.name.startswith(f".{target.name}.")}
