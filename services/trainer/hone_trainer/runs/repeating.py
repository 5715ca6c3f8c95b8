"""A run that is run again: the same dataset, base, settings and seed, so that the same adapter comes of it."""

from collections.abc import Mapping
from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from hone_contracts.training import StartTraining
from hone_trainer.errors import NoSuchRun, NotRepeatable
from hone_trainer.runs import book
from hone_trainer.tuning.settings import with_origins

REPEATS = "_repeats"
"""The key beside a run's settings that names the run it repeats. No setting is named so."""

_TUNED = ("lora", "qlora", "kto")


async def as_then(session: AsyncSession, asked: StartTraining) -> StartTraining:
    """What was asked, with all that decided the earlier run. Raises NoSuchRun, NotRepeatable."""
    assert asked.repeats is not None
    run = await book.find(session, asked.repeats)
    if run is None or run["tenant"] != asked.tenant:
        raise NoSuchRun(asked.repeats)
    if run["method"] not in _TUNED or run["state"] != "succeeded" or not run["parameters"].get("source"):
        raise NotRepeatable(asked.repeats, f"it is a {run['method']} run that {run['state']}")
    told = {name: value for name, value in run["settings"].items() if name != REPEATS}
    same = {
        "artifact_type": run["artifact_type"],
        "method": run["method"],
        "base": run["planned"]["model"],
        "dataset": run["dataset_digest"],
        "settings": {**told, REPEATS: asked.repeats},
    }
    return asked.model_copy(update=same)


def decided(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The earlier run's settings, what was picked for it among them: picked again, for other free memory,
    they would cut other micro-batches, and sum in another order."""
    told: Mapping[str, Mapping[str, Any]] = parameters["settings"]
    values = {name: each["value"] for name, each in told.items()}
    return with_origins(values, {name: str(each["from"]) for name, each in told.items()})


def split(settings: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """The settings alone, and the run that is repeated."""
    alone = {name: value for name, value in settings.items() if name != REPEATS}
    repeats = settings.get(REPEATS)
    return alone, None if repeats is None else str(repeats)
