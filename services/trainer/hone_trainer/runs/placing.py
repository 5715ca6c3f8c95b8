"""Which workers a run is for. Each kind has a command of its own, so that a cluster adds workers of a kind by what
waits for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from hone_contracts.training import (
    LARGE_CARD_BYTES,
    TrainModel,
    TrainOnCard,
    TrainOnLargeCard,
    WorkerEnvironment,
)
from hone_trainer.runs.holding import CHECKPOINTING

Place = Literal["any", "card", "large_card"]

COMMANDS: Final[Mapping[str, type[TrainModel]]] = {
    "any": TrainModel,
    "card": TrainOnCard,
    "large_card": TrainOnLargeCard,
}

ON_CARDS = CHECKPOINTING
"""Methods that a card makes faster."""


@dataclass(frozen=True)
class Alive:
    """A worker that was heard of lately."""

    places: frozenset[str]
    busy: bool


def places_of(device: str, card_bytes: int) -> tuple[Place, ...]:
    """What a worker takes. One with a large card leaves small ones theirs: it would hold two runs and train one."""
    if device != "cuda":
        return ("any",)
    return ("any", "large_card") if card_bytes >= LARGE_CARD_BYTES else ("any", "card")


def places_in(environment: WorkerEnvironment) -> tuple[Place, ...]:
    return places_of(environment.device, environment.card_bytes)


def place_for(method: str, settings: Mapping[str, Any], alive: Sequence[Alive]) -> Place:
    """Where a run begins to wait. A card that was asked for by name is waited for, any other is taken if there is
    one: the smallest kind that is free, so that large ones are left for what fits nowhere else."""
    device = settings.get("device", "auto")
    if method not in ON_CARDS or device not in ("auto", "cuda"):
        return "any"
    small, large = ([each for each in alive if place in each.places] for place in ("card", "large_card"))
    if any(not each.busy for each in small):
        return "card"
    if any(not each.busy for each in large):
        return "large_card"
    if small or device == "cuda":
        return "card" if small or not large else "large_card"
    return "large_card" if large else "any"


def command_for(run: Mapping[Any, Any], place: str | None = None, cause: UUID | None = None) -> TrainModel:
    """What a worker is told to take the run up. The row must name it as the one that counts."""
    kind = COMMANDS.get(place or run["place"], TrainModel)  # of a later version, perhaps
    command: TrainModel = kind.model_validate(
        {
            "correlation_id": run["id"],
            "causation_id": cause,
            "tenant": run["tenant"],
            "artifact_type": run["artifact_type"],
            "method": run["method"],
            "batch": run["batch"],
        }
    )
    return command
