"""Whole passages: the subject carried over, one sentence or list item, and the facts it states."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from hone_contracts import erd_facts
from hone_contracts.erd_facts import Attributes, Entities, Fact, Facts, Keys, Relation, first_entity
from hone_trainer.starter import compounds, sentences
from hone_trainer.starter.inflection import plural
from hone_trainer.starter.lexicon import Lexicon
from hone_trainer.starter.sentences import Draft
from hone_trainer.starter.slots import Slots
from hone_trainer.starter.writer import Writer


@dataclass(frozen=True, slots=True)
class Sample:
    """What the model is asked and what it should answer; all words normalised."""

    kind: str
    subject: str
    passage: str
    facts: Facts


def sample(
    lexicon: Lexicon,
    rng: Random,
    *,
    held_names: bool = False,
    held_phrasings: bool = False,
    kind: str | None = None,
) -> Sample:
    """One passage. With `held_…` it is made of names or phrasings that training never sees."""
    chosen = kind or rng.choices(tuple(_KINDS), tuple(share for share, _ in _KINDS.values()))[0]
    writer = Writer(lexicon, rng, held_names, held_phrasings)
    while True:
        found = _finished(writer, chosen, _KINDS[chosen][1](writer))
        if len(found.passage.split()) <= 60:
            return found


def _finished(writer: Writer, kind: str, draft: Draft) -> Sample:
    text = draft.spoken.text
    if not draft.bare:
        text = _framed(writer, text)
    subject = draft.subject if draft.subject is not None else _any_subject(writer, draft.spoken.facts)
    return Sample(
        kind, erd_facts.normalise(subject), erd_facts.normalise(text), tuple(tidied(draft.spoken.facts))
    )


def _framed(writer: Writer, text: str) -> str:
    """A sentence with what may stand around it."""
    if writer.chance(0.14):
        text = f"{writer.closed('opener')} {text}"
    if writer.chance(0.12):
        text = f"{text} {writer.closed('adjunct')}"
    elif writer.chance(0.03) and not text.endswith((".", "?", ":")):
        text = f"{text} {Slots(writer).fill(writer.closed('such as'))}"
    if text.endswith((".", "?", ":")):
        return text
    return text + writer.rng.choices((" .", "", " ;", " !"), (88, 7, 4.5, 0.5))[0]


def _any_subject(writer: Writer, facts: list[Fact]) -> str:
    """A subject line that this passage does not need: often what it is about anyway, or nearly so."""
    draw = writer.rng.random()
    name = writer.names.entity()
    if draw < 0.2:
        return ""
    if draw < 0.5 and facts:
        about = first_entity(facts[0])
        if draw < 0.38:
            return about
        if draw < 0.44:  # a heading in the other number
            return about.removesuffix("s") if about.endswith("s") else plural(about)
        return f"{about} {name.singular.rpartition(' ')[2]}"  # "loan rules" above a sentence about a loan
    return name.plural if writer.chance(0.4) else name.singular


def tidied(facts: list[Fact]) -> list[Fact]:
    """Facts of the same entity merged, and entities left out that another fact names."""
    merged: list[Fact] = []
    for fact in facts:
        last = merged[-1] if merged else None
        if isinstance(fact, Attributes) and isinstance(last, Attributes) and fact.entity == last.entity:
            merged[-1] = Attributes(fact.entity, {**last.types, **fact.types})
        elif fact not in merged:
            merged.append(fact)
    named = {name for fact in merged for name in _related(fact)}
    kept: list[Fact] = []
    for fact in merged:
        if isinstance(fact, Entities):
            names = tuple(name for name in fact.names if name not in named)
            kept.extend([Entities(names)] if names else [])
        else:
            kept.append(fact)
    return kept


def _related(fact: Fact) -> tuple[str, ...]:
    match fact:
        case Attributes(entity) | Keys(entity):
            return (entity,)
        case Relation(from_, _, to):
            return (from_, to)
        case _:
            return ()


# Kind of passage: its share of the corpus, and who makes it.
_KINDS: dict[str, tuple[float, Callable[[Writer], Draft]]] = {
    "verb": (20, sentences.verb),
    "relation": (8, sentences.relation_template("single")),
    "relations": (8, sentences.relation_template("double")),
    "mixed": (13, sentences.relation_template("mixed")),
    "attributes": (13, sentences.attributes("list")),
    "attribute": (4, sentences.attributes("single")),
    "enum": (2, sentences.attributes("enum")),
    "key": (5, sentences.attributes("key")),
    "item": (5, sentences.carried("item")),
    "carried": (4, sentences.carried("carried")),
    "mention": (5, sentences.mention),
    "dense": (7, compounds.dense),
    "clauses": (5, compounds.two_clauses),
    "relative": (3, compounds.relative),
    "subjects": (2, compounds.several_subjects),
    "objects": (3, compounds.several_objects),
    "part empty": (5, sentences.partly_empty),
    "empty": (42, sentences.empty),
}
KINDS = tuple(_KINDS)
