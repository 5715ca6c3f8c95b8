"""User stories as data: what a model is asked for, and what Markdown is read into."""

from typing import Any, Literal

from pydantic import Field, field_validator

from hone_generator.artifacts.held import Quoted, Stated

Priority = Literal["must", "should", "could", "wont"]
PRIORITIES: tuple[Priority, ...] = ("must", "should", "could", "wont")
_SYNONYMS: dict[str, Priority] = {
    "high": "must", "critical": "must", "highest": "must", "p0": "must", "p1": "must", "medium": "should",
    "normal": "should", "p2": "should", "low": "could", "p3": "could", "lowest": "wont", "won't": "wont",
    "p4": "wont",
}  # fmt: skip


class Criterion(Stated):
    given: str = Field(default="", description="the state before, with the amounts that matter")
    when: str = Field(default="", description="the one thing that happens")
    then: str = Field(default="", description="what can be seen afterwards")


class Story(Quoted):
    """`id` is US-1, US-2, …; `depends_on` are the ids of stories that have to be there before."""

    id: str
    title: str = ""
    role: str = Field(default="", description="who wants it, without an article")
    want: str = Field(default="", description="what they want to do, beginning with a verb")
    benefit: str = Field(default="", description="why, as a sentence")
    priority: Priority = "should"
    criteria: list[Criterion] = Field(default=[])
    depends_on: list[str] = Field(default=[])

    @field_validator("priority", mode="before")
    @classmethod
    def _known(cls, given: object) -> object:
        return priority_of(given) if isinstance(given, str) else given


class Stories(Stated):
    reasoning: str = Field(default="", description="a few sentences: who takes part, what each of them wants")
    title: str = ""
    stories: list[Story]

    def to_json(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude={"reasoning"})


def priority_of(word: str) -> Priority:
    """A priority by any of its usual names; what is none is a should."""
    lower = word.strip().lower().removesuffix(" have")
    return next((known for known in PRIORITIES if known == lower), _SYNONYMS.get(lower, "should"))
