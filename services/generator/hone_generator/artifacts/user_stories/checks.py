"""Whether stories can be worked with: each says who wants what and why, is testable, small and there once.

After Bill Wake's INVEST: independent (no circle of dependencies), valuable (a benefit), small (few criteria, one
want), testable (given, when and then, in words that can be measured).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hone_contracts.artifacts import ValidatorResult
from hone_generator.artifacts.kind import Name, Outline
from hone_generator.artifacts.user_stories.ir import Criterion, Story
from hone_generator.artifacts.user_stories.parse import ParsedStories
from hone_generator.text.naming import words_of
from hone_generator.text.stems import stem
from hone_generator.validators.base import result
from hone_generator.validators.flaws import MISSING, ODD, WRONG, Flaw, judged

MOST_STORIES, MOST_CRITERIA, MOST_TITLE_CHARS, MOST_WANT_WORDS = 80, 8, 80, 30
_PARTS = ("given", "when", "then")
_ID = re.compile(r"[A-Z][A-Z0-9]*-\d+")
_VAGUE = re.compile(
    r"\b(?:user[- ]friendly|easy|easily|fast|quickly|appropriate|appropriately|properly|as needed|efficient"
    r"|efficiently|seamless|seamlessly|intuitive|and so on|etc|works? correctly|works? as expected|some way)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class CheckedStories:
    """Stories with what reading them told. `exact` says that they are data of ours, whose lines nobody needs."""

    parsed: ParsedStories
    exact: bool = False

    @property
    def stories(self) -> list[Story]:
        return self.parsed.stories.stories

    def syntax(self) -> ValidatorResult:
        """The documented form: every line is read, and there is a story."""
        said = [f"line {problem.line}: {problem.what}" for problem in self.parsed.problems]
        if not self.stories:
            said.insert(0, 'there is no story: begin each with a heading, as in "## US-1: Borrow a book"')
        return result("syntax", 0 if said else 100, said, passed=not said)

    def structure(self) -> ValidatorResult:
        return judged("structure", self._structure_flaws(), self._elements)

    def references(self) -> ValidatorResult:
        return judged("references", self._reference_flaws(), self._elements)

    def style(self) -> ValidatorResult:
        return judged("style", self._style_flaws(), self._elements)

    def outline(self) -> Outline:
        names: list[Name] = []
        for place, story in enumerate(self.stories):
            line = self._line(place)
            names += [Name(story.role, "participant", line)] if story.role else []
            names += [Name(story.title, "action", line)] if story.title else []
            texts = [
                story.want,
                story.benefit,
                *(getattr(each, part) for each in story.criteria for part in _PARTS),
            ]
            names += [Name(text, "prose", line) for text in texts if text]
        return Outline(tuple(names), scope="everything", numbers=True)

    @property
    def _elements(self) -> int:
        return sum(3 + len(story.criteria) for story in self.stories)

    def _line(self, place: int) -> int | None:
        return None if self.exact or place >= len(self.parsed.lines) else self.parsed.lines[place]

    def _at(self, place: int) -> str:
        line = self._line(place)
        return "" if line is None else f"line {line}: "

    def _structure_flaws(self) -> Iterator[Flaw]:
        if not self.stories:
            yield Flaw(
                WRONG, "there are no stories: write one for each thing that somebody wants to do", fatal=True
            )
        wants: dict[tuple[frozenset[str], frozenset[str]], str] = {}
        for place, story in enumerate(self.stories):
            where = f"{self._at(place)}story {story.id}"
            yield from _parts_missing(story, where)
            key = (_meaning(story.role), _meaning(story.want))
            first = wants.setdefault(key, story.id) if story.want else story.id
            if first != story.id:
                yield Flaw(WRONG, f"{where} wants the same as {first}: keep one of them")
            for number, criterion in enumerate(story.criteria, 1):
                yield from _criterion_flaws(criterion, f"{where}, criterion {number},")

    def _reference_flaws(self) -> Iterator[Flaw]:
        places: dict[str, int] = {}
        for place, story in enumerate(self.stories):
            if places.setdefault(story.id.casefold(), place) != place:
                yield Flaw(
                    WRONG, f"{self._at(place)}two stories have the id {story.id}: give this one its own"
                )
        for place, story in enumerate(self.stories):
            for other in dict.fromkeys(story.depends_on):
                if other.casefold() == story.id.casefold():
                    yield Flaw(WRONG, f"{self._at(place)}story {story.id} depends on itself: take that out")
                elif other.casefold() not in places:
                    yield Flaw(
                        WRONG,
                        f"{self._at(place)}story {story.id} depends on {other}, which is not there: write that story "
                        "or correct the id",
                    )
        circle = _circle(
            {story.id.casefold(): [each.casefold() for each in story.depends_on] for story in self.stories}
        )
        if circle:
            shown = ", ".join(self.stories[places[name]].id for name in circle)
            yield Flaw(
                WRONG,
                f"the stories {shown} depend on each other in a circle: let one begin without the others",
            )

    def _style_flaws(self) -> Iterator[Flaw]:
        if len(self.stories) > MOST_STORIES:
            yield Flaw(
                WRONG,
                f"there are {len(self.stories)} stories: split them by subject, at most {MOST_STORIES} each",
            )
        for place, story in enumerate(self.stories):
            where = f"{self._at(place)}story {story.id}"
            if not _ID.fullmatch(story.id):
                yield Flaw(ODD, f'{where}: write the id in capitals with a number, as in "US-1"')
            if not story.title or len(story.title) > MOST_TITLE_CHARS:
                yield Flaw(ODD, f"{where} needs a title of at most {MOST_TITLE_CHARS} characters")
            if len(story.criteria) > MOST_CRITERIA or len(story.want.split()) > MOST_WANT_WORDS:
                yield Flaw(ODD, f"{where} is large: split it by what is wanted")
            for criterion in story.criteria:
                vague = _VAGUE.search(criterion.then)
                if vague:
                    yield Flaw(
                        ODD, f'{where}: nobody can test "{vague[0]}": say what is seen, and how much of it'
                    )


def _parts_missing(story: Story, where: str) -> Iterator[Flaw]:
    if not story.want:
        yield Flaw(WRONG, f"{where} says not what is wanted: write what the role wants to do")
    if not story.role:
        yield Flaw(MISSING, f"{where} says not who wants it: add the role")
    if not story.benefit:
        yield Flaw(MISSING, f"{where} says not why: add the benefit")
    if not story.criteria:
        yield Flaw(WRONG, f"{where} has no acceptance criterion: add at least one with given, when and then")


def _criterion_flaws(criterion: Criterion, where: str) -> Iterator[Flaw]:
    missing = [part for part in _PARTS if not getattr(criterion, part)]
    if missing:
        yield Flaw(MISSING, f"{where} lacks {' and '.join(missing)}: write all of given, when and then")


def _meaning(text: str) -> frozenset[str]:
    return frozenset(stem(word) for word in words_of(text) if word not in ("a", "an", "the", "to"))


def _circle(needs: dict[str, list[str]]) -> list[str]:
    """Stories that wait for each other, if there are such; those that wait for themselves alone are not meant."""
    waiting = {
        name: {each for each in others if each in needs and each != name} for name, others in needs.items()
    }
    while ready := [name for name, others in waiting.items() if not others]:
        for name in ready:
            del waiting[name]
        for others in waiting.values():
            others.difference_update(ready)
    # What is left waits for a circle or is in one: walk until a story comes again.
    path: list[str] = []
    step = next(iter(waiting), None)
    while step is not None and step not in path:
        path.append(step)
        step = min(waiting[step])
    return path[path.index(step) :] if step is not None else []
