"""What the elements of every diagram have: the words that say so."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from pydantic import BaseModel, ConfigDict


class Element(BaseModel):
    """``evidence`` quotes the requirements; what nobody said has none."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    evidence: str = ""


class Diagram(BaseModel):
    """Names are free text here; what is used need not be declared: that is for the checks to find."""

    model_config = ConfigDict(frozen=True, extra="forbid")


E = TypeVar("E", bound=Element)


def first_of_each(elements: Iterable[E], name: Callable[[E], str]) -> tuple[E, ...]:
    """The elements without those whose name was given before."""
    found: dict[str, E] = {}
    for element in elements:
        found.setdefault(name(element), element)
    return tuple(found.values())
