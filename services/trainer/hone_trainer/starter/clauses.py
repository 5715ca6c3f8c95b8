"""Clauses about one subject: subject, verb and object, attributes, keys."""

from dataclasses import dataclass
from typing import Literal

from hone_contracts.erd_facts import Cardinality, Fact
from hone_trainer.starter.inflection import plain_plural, third_person
from hone_trainer.starter.names import EntityName
from hone_trainer.starter.slots import Slots, attribute_slot_facts
from hone_trainer.starter.templates import expand
from hone_trainer.starter.writer import Spoken, Writer, relation

VerbClass = Literal["own", "shared", "one"]
SubjectKind = Literal["each", "all", "many", "singular pronoun", "plural pronoun"]

_SINGULAR_PRONOUNS = (
    "it",
    "it",
    "it",
    "it",
    "this",
    "he",
    "she",
    "each",
    "each one",
    "each of them",
    "every one of them",
    "he or she",
)
_PLURAL_PRONOUNS = ("they", "they", "they", "these", "all of them", "both", "they all")
_MANY_SUBJECTS = (
    "many",
    "several",
    "multiple",
    "two or more",
    "different",
    "various",
    "a number of",
    "one or more",
)
PSEUDO_VERB_SHARE = 0.05
_ATTRIBUTE_VERBS = frozenset(
    [
        "have",
        "hold",
        "keep",
        "contain",
        "include",
        "comprise",
        "possess",
        "carry",
        "consist of",
        "come with",
        "list",
        "store",
        "need",
        "require",
        "display",
        "define",
        "record",
        "be made up of",
        "be composed of",
        "specify",
        "name",
        "state",
        "show",
        "feature",
        "provide",
    ]
)
_MODALS = frozenset({"can", "may", "must", "should", "will", "shall", "might", "could"})
_EXPLICIT_ONE = (
    "one",
    "exactly one",
    "a single",
    "at most one",
    "only one",
    "precisely one",
    "just one",
    "zero or one",
)


@dataclass(frozen=True, slots=True)
class Subject:
    """Who a clause is about: `text` in the sentence, `surface` the words that name it."""

    text: str
    surface: str
    kind: SubjectKind

    @property
    def plural(self) -> bool:
        return self.kind in {"all", "many", "plural pronoun"}


@dataclass(frozen=True, slots=True)
class _Object:
    text: str
    surface: str
    many: bool
    # Nothing but the plural says that there are many: "members borrow books".
    bare: bool = False


def new_subject(writer: Writer, name: EntityName) -> Subject:
    kind = writer.rng.choices(("each", "all", "many", "only"), (55, 39, 5, 1))[0]
    match kind:
        case "each":
            text = writer.each(name)
            surface = name.plural if text.startswith("each of the ") else name.singular
            return Subject(text + writer.remark(), surface, "each")
        case "many":
            quantity = writer.rng.choice(_MANY_SUBJECTS) if writer.chance(0.7) else writer.quantity()
            return Subject(f"{quantity} {name.plural}", name.plural, "many")
        case "only":
            return Subject(f"only {name.plural}", name.plural, "all")
        case _:
            return Subject(writer.all(name), name.plural, "all")


def pronoun(writer: Writer, surface: str, *, plural: bool) -> Subject:
    """A pronoun for what is already named by `surface`."""
    if plural:
        return Subject(writer.rng.choice(_PLURAL_PRONOUNS), surface, "plural pronoun")
    return Subject(writer.rng.choice(_SINGULAR_PRONOUNS), surface, "singular pronoun")


def verb_clause(writer: Writer, subject: Subject, other: EntityName | None = None) -> Spoken:
    """ "each member can borrow many books" or its passive."""
    text, facts = predicate(writer, subject, other)
    return Spoken(f"{subject.text} {text}", facts)


def predicate(writer: Writer, subject: Subject, other: EntityName | None = None) -> tuple[str, list[Fact]]:
    """What follows the subject, and the relation it states."""
    other = other or writer.names.entity()
    verb_class: VerbClass = writer.rng.choices(("own", "shared", "one"), (42, 33, 25))[0]
    active, _, passive = writer.line(writer.lexicon.verbs[verb_class]).partition(" ; ")
    if verb_class != "one" and writer.chance(PSEUDO_VERB_SHARE):
        active, passive = writer.names.pseudo_word(), "-"
    if passive != "-" and writer.chance(0.3):
        thing = _object(writer, other, many_share=0.35 if verb_class == "own" else 0.6)
        cardinality = _passive_cardinality(verb_class, subject, thing)
        text = f"{_finite(writer, 'be ' + passive, subject)} {thing.text}"
    else:
        thing = _object(writer, other, many_share={"own": 0.85, "shared": 0.75, "one": 0.12}[verb_class])
        if (
            active in _ATTRIBUTE_VERBS
            and not thing.many
            and other.singular not in writer.lexicon.plain_entities
        ):
            # "has a zorb" could be an attribute; "has exactly one zorb" is not.
            thing = _Object(
                f"{writer.rng.choice(_EXPLICIT_ONE)} {other.singular}", other.singular, many=False
            )
        cardinality = _active_cardinality(verb_class, subject, thing)
        if active == "have" and not subject.plural and thing.text.split(" ")[0] in {"a", "an", "the", "its"}:
            cardinality = "N:1"  # "each course has a teacher" does not say that the teacher has no other
        text = f"{_finite(writer, active, subject)} {thing.text}"
    return text, [relation(subject.surface, cardinality, thing.surface)]


def _finite(writer: Writer, verb: str, subject: Subject) -> str:
    """The verb with its modal and adverb, agreeing with the subject."""
    modal = writer.modal(plural=subject.plural)
    if modal.split(" ")[0] in _MODALS or modal.endswith(" to"):
        return f"{modal} {verb}"
    conjugated = plain_plural(verb) if subject.plural else third_person(verb)
    aspect = writer.closed("aspect")
    if verb.startswith("be ") and aspect:
        is_are, _, rest = conjugated.partition(" ")
        return f"{modal} {is_are} {aspect} {rest}".strip()
    return f"{modal} {conjugated}".strip() if modal else f"{aspect} {conjugated}".strip()


def _object(writer: Writer, name: EntityName, many_share: float) -> _Object:
    if not writer.chance(many_share):
        return _Object(writer.one(name), name.singular, many=False)
    if writer.chance(0.42):
        return _Object(writer.all(name), name.plural, many=True, bare=True)
    text, surface = writer.many(name)
    return _Object(text, surface, many=True)


def _active_cardinality(verb_class: VerbClass, subject: Subject, thing: _Object) -> Cardinality:
    if subject.kind == "many":
        return "N:M" if thing.many else "N:1"
    if not thing.many:
        return "1:1" if verb_class == "own" else "N:1"
    if not subject.plural:
        return "1:N"
    if verb_class == "one":  # "loans belong to members"
        return "N:1" if thing.bare else "N:M"
    return "1:N" if verb_class == "own" else "N:M"


def _passive_cardinality(verb_class: VerbClass, subject: Subject, thing: _Object) -> Cardinality:
    if subject.kind == "many":
        return "N:M" if thing.many else "N:1"
    if not thing.many:
        return "N:1"
    if not subject.plural:
        return "N:1" if thing.bare and verb_class == "own" else "1:N"
    if verb_class == "own":  # "orders are placed by customers"
        return "N:1" if thing.bare else "N:M"
    return "N:M"


def attribute_clause(
    writer: Writer, section: str, entity: EntityName | None = None, carried: Subject | None = None
) -> Spoken:
    """A sentence of attributes_of.txt. `carried` stands in for a leading subject: "it has a name"."""
    text = writer.phrase(writer.lexicon.attributes_of[section])
    surface = carried.surface if carried else None
    if carried:
        text, replaced = _with_pronoun(text, carried)
        surface = surface if replaced else None
    slots = Slots(writer, {"A": entity} if entity else None)
    filled = slots.fill(text)
    return Spoken(filled, attribute_slot_facts(slots, surface or slots.surfaces["A"]))


def carried_clause(writer: Writer, section: str, surface: str) -> Spoken:
    """A sentence or list item about the subject of the passage before."""
    slots = Slots(writer)
    text = slots.fill(writer.phrase(writer.lexicon.attributes_of[section]))
    return Spoken(text, attribute_slot_facts(slots, surface))


def _with_pronoun(text: str, carried: Subject) -> tuple[str, bool]:
    for slot, plural in (("{each:A}", False), ("{all:A}", True)):
        if not text.startswith(slot) or plural != carried.plural:
            continue
        rest = text[len(slot) :]
        if rest.startswith((" with ", " record ", " entry ")):
            continue
        if rest.startswith(" 's"):
            return f"{'their' if plural else 'its'}{rest[3:]}", True
        return f"{carried.text}{rest}", True
    return text, False


def attribute_predicate(
    writer: Writer, subject: Subject, kinds: tuple[str, ...] = ("list",)
) -> tuple[str, list[Fact]]:
    """What follows a given subject: "has a name and an email"."""
    section = writer.rng.choice(kinds)
    slot = "{all:A}" if subject.plural else "{each:A}"
    while True:
        text = expand(writer.line(writer.lexicon.attributes_of[section]), writer.rng)
        rest = text.removeprefix(slot)
        if rest != text and not rest.startswith((" 's", " with ")) and "{A" not in rest:
            slots = Slots(writer)
            return slots.fill(rest).strip(), attribute_slot_facts(slots, subject.surface)
        if writer.held_phrasings:  # few held lines begin with the subject
            slots = Slots(writer)
            return slots.fill(f"{'have' if subject.plural else 'has'} {{attrs}}"), attribute_slot_facts(
                slots, subject.surface
            )
