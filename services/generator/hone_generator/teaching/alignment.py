"""The facts of each passage from a corrected diagram: what the starter should have answered.

The subject that a passage is asked with follows from the answers before it, and what a passage may state depends on
its subject. So the text is walked several times, each time with the subjects of the choice before, until nothing
changes; the walk that merges to most of the diagram counts.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from hone_contracts.artifacts import Evidence
from hone_contracts.erd_facts import Facts, normalise
from hone_generator.artifacts.mermaid_erd.ir import Diagram
from hone_generator.artifacts.mermaid_erd.merge import Answer, merge
from hone_generator.artifacts.mermaid_erd.subjects import SubjectTracker
from hone_generator.teaching.attributes import stated_attributes
from hone_generator.teaching.evident import evident
from hone_generator.teaching.facts import PassageWriter
from hone_generator.teaching.mentions import Line, Mention, line_of
from hone_generator.teaching.relations import stated_relations
from hone_generator.teaching.selection import Cue, Selection, Stated, provisional, select
from hone_generator.teaching.target import Target, target_of, unlike
from hone_generator.text.passages import Passage, split_passages

_MOST_WALKS = 6
_PRIMARY = (
    "identif",
    "recogni",
    "distinguish",
    "told",
    "known",
    "primary",
    "key",
    "pk",
    "determined",
    "referenc",
)
_UNIQUE = ("unique", "uniquely", "same", "uk", "distinct", "repeat", "unambiguous")


@dataclass(frozen=True, slots=True)
class PassageFacts:
    """What is asked of one passage and what should be answered; `subject` and `line` are normalised."""

    subject: str
    line: str
    facts: Facts


@dataclass(frozen=True, slots=True)
class Alignment:
    """All passages in their order. `unexpressed` names what merging the facts does not give back."""

    passages: tuple[PassageFacts, ...]
    unexpressed: tuple[str, ...]


def align(requirements: str, diagram: Diagram, evidence: Iterable[Evidence] = ()) -> Alignment:
    """Facts that merge to the diagram, as far as the words of the requirements can say it."""
    passages = split_passages(requirements)
    target, known = target_of(diagram), evident(evidence, [passage.text for passage in passages])
    wanted = frozenset((*target.entities, *(name for _, name in target.attributes)))
    walker = _Walker(passages, target, wanted)
    _, stated = walker.walk(None)
    best: Alignment | None = None
    before: list[PassageFacts] | None = None
    for _ in range(_MOST_WALKS):
        found, stated = walker.walk(select(target, stated, known))
        if found == before:
            break
        before = found
        lacking = tuple(unlike(target, target_of(merged(found))))
        if best is None or len(lacking) <= len(best.unexpressed):
            best = Alignment(tuple(found), lacking)
    return best or Alignment((), ())


def merged(passages: Sequence[PassageFacts]) -> Diagram:
    """The diagram that is made of such answers."""
    return merge(Answer(index, each.line, each.facts) for index, each in enumerate(passages))


@dataclass(frozen=True, slots=True)
class _Walker:
    passages: Sequence[Passage]
    target: Target
    wanted: frozenset[str]
    _read: dict[tuple[int, str], tuple[Line, Stated]] = field(default_factory=dict)

    def walk(self, selection: Selection | None) -> tuple[list[PassageFacts], list[Stated]]:
        """Without a selection each passage is read by itself."""
        tracker = SubjectTracker()
        found: list[PassageFacts] = []
        all_stated: list[Stated] = []
        for passage in self.passages:
            text, subject = normalise(passage.text), tracker.subject_of(passage)
            line, stated = self._reading(passage, subject, text)
            chosen = selection or provisional(stated, passage.index)
            facts = PassageWriter(self.target, line, stated, chosen, passage.index).facts()
            tracker.answered(passage, facts)
            found.append(PassageFacts(subject, text, facts))
            all_stated.append(stated)
        return found, all_stated

    def _reading(self, passage: Passage, subject: str, text: str) -> tuple[Line, Stated]:
        """Most passages have the same subject in each walk."""
        known = self._read.get((passage.index, subject))
        if known is None:
            line = line_of(subject, text, self.wanted, self.target.entities)
            known = self._read[passage.index, subject] = line, _stated(self.target, line, passage)
        return known


def _stated(target: Target, line: Line, passage: Passage) -> Stated:
    entities = {
        name: min(mentions, key=lambda each: (each.is_doubtful, each.begin))
        for name, mentions in line.mentions.items()
        if name in target.entities
    }
    for name, surface in line.carried.items():
        if name in target.entities:  # a heading's words name it, too, for want of others
            entities.setdefault(name, Mention(surface, -1, -1, covered=True))
    words = line.words
    return Stated(
        tuple(stated_attributes(target, line, passage.index)),
        tuple(stated_relations(target, line, passage.index, passage.depth > 0)),
        entities,
        Cue(any(w.startswith(_PRIMARY) for w in words), any(w in _UNIQUE for w in words)),
    )
