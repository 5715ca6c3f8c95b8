"""What of a model's answer no document can hold. It is left out of what is rendered, and is a flaw of the answer."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hone_generator.artifacts.kind import Draft
from hone_generator.validators.flaws import MISSING, WRONG, Flaw


@dataclass(slots=True)
class LeftOut:
    """``dangling`` leads to what is not there: a wrong reference. ``unfit`` is a value that its place cannot take, a
    default of another type: what is rendered lacks it."""

    dangling: list[str] = field(default_factory=list)
    unfit: list[str] = field(default_factory=list)

    @property
    def notes(self) -> tuple[str, ...]:
        return (*self.dangling, *self.unfit)

    def to_json(self) -> dict[str, list[str]]:
        return {"dangling": self.dangling, "unfit": self.unfit}

    @classmethod
    def of(cls, draft: Draft | None) -> "LeftOut":
        """As ``to_json`` put it into the draft's IR; nothing where there is no draft."""
        found: Any = draft.ir.get("left_out", {}) if draft else {}
        return cls(list(found.get("dangling", ())), list(found.get("unfit", ())))

    def reference_flaws(self) -> Iterator[Flaw]:
        return (Flaw(WRONG, each) for each in self.dangling)

    def structure_flaws(self) -> Iterator[Flaw]:
        return (Flaw(MISSING, each) for each in self.unfit)
