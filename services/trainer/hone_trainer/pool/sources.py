"""Further sources of examples: plug-ins that offer some for a run.

What they offer is validated like an answer before it counts, is trained on, and never held out. A distribution adds
one by an entry point of the group ``hone.example_sources`` whose object makes a source when called with no argument.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Protocol

from hone_chassis.errors import HandlingError
from hone_chassis.logs import get_logger
from hone_contracts.artifacts import ArtifactType
from hone_trainer.examples import Example

log = get_logger(__name__)

ENTRY_POINTS = "hone.example_sources"

OWN = frozenset({"feedback", "correction", "import"})
"""Sources whose examples people gave."""


@dataclass(frozen=True)
class Wanted:
    """``seeds`` are examples of the type that were trained on before."""

    tenant: str
    artifact_type: ArtifactType
    seeds: Sequence[Example]
    most: int


@dataclass(frozen=True)
class Offered:
    """``origin`` is the source's own id of it."""

    origin: str
    requirements: str
    content: str
    context_text: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)


class ExampleSource(Protocol):
    """Raises HandlingError when it has nothing to offer for a reason; the run goes on without it."""

    @property
    def name(self) -> str: ...

    async def offer(self, wanted: Wanted) -> Iterable[Offered]: ...


def plugged_in() -> list[ExampleSource]:
    """Those that other distributions bring."""
    return [point.load()() for point in entry_points(group=ENTRY_POINTS)]


async def offers(sources: Sequence[ExampleSource], wanted: Wanted) -> list[tuple[str, Offered]]:
    """With the source's name, ``wanted.most`` of each at most."""
    found: list[tuple[str, Offered]] = []
    for source in sources:
        try:
            offered = list(await source.offer(wanted))[: wanted.most]
        except HandlingError as error:
            log.warning("a source of examples offers none", source=source.name, error=str(error))
            continue
        found += [(source.name, each) for each in offered]
    return found
