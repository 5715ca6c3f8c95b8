"""What models answer in JSON, read as far as it goes.

A provider holds its model to the closed schema, or does not: then one item that is wrong costs that item alone, and
a word that is almost one of a few choices is taken for it. Sizes are bounded in the schema, since a small model that
repeats itself would never end, and again when the answer is read.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from hone_generator.text.naming import identity

_MOST_NOTES = 20  # more, and nobody reads them
M = TypeVar("M", bound=BaseModel)


def _string(most: int) -> tuple[AfterValidator, WithJsonSchema]:
    return AfterValidator(lambda text: text[: most * 4]), WithJsonSchema(
        {"type": "string", "maxLength": most}
    )


_TEXT, _WORD, _QUOTE, _REASONING = _string(120), _string(60), _string(240), _string(1_500)
Text = Annotated[str, _TEXT[0], _TEXT[1]]
Word = Annotated[str, _WORD[0], _WORD[1]]
_Quote = Annotated[str, _QUOTE[0], _QUOTE[1]]
_Reasoning = Annotated[
    str, BeforeValidator(lambda said: said if isinstance(said, str) else ""), _REASONING[0], _REASONING[1]
]


@dataclass(slots=True)
class Hearing:
    """What an answer is held against while it is read, and what there is to say of it. ``requirements`` are plain."""

    requirements: str
    notes: list[str] = field(default_factory=list)
    strange_quotes: int = 0

    def note(self, text: str) -> None:
        if len(self.notes) < _MOST_NOTES:
            self.notes.append(text)

    def names(self, what: str, given: Iterable[str]) -> frozenset[str]:
        """All of them, with a note on each that is given again."""
        known: set[str] = set()
        for name in given:
            if name in known:
                self.note(f"{what} {name} is given twice: the first was kept")
            known.add(name)
        return frozenset(known)


def plain(text: str) -> str:
    """Equal for texts that differ in case and spaces alone."""
    return " ".join(text.split()).casefold()


class Answer(BaseModel):
    """The whole document; its lists follow. The model thinks first, since constrained JSON alone costs quality."""

    model_config = ConfigDict(extra="ignore")

    reasoning: _Reasoning = Field(default="", description="a few sentences, before the lists")


class Stated(BaseModel):
    """One item of an answer. ``null`` is nothing said; a word alone is the one thing that an item must say."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True, coerce_numbers_to_str=True)

    @model_validator(mode="before")
    @classmethod
    def _loosely(cls, value: Any) -> Any:
        if isinstance(value, str):
            needed = [name for name, field in cls.model_fields.items() if field.is_required()]
            return {needed[0]: value} if len(needed) == 1 else value
        if isinstance(value, dict):
            return {key: item for key, item in value.items() if item is not None}
        return value


class Quoted(Stated):
    """An item with the words that it rests on."""

    evidence: _Quote = Field(default="", description="the words of the requirements that say so, verbatim")

    @field_validator("evidence", mode="after")
    @classmethod
    def _verbatim(cls, quote: str, info: ValidationInfo) -> str:
        quote = " ".join(quote.split())
        wanted = plain(quote).strip(" .,;:\"'…")
        if not wanted or not isinstance(info.context, Hearing):
            return ""
        if wanted in info.context.requirements:
            return quote
        info.context.strange_quotes += 1
        return ""


def items(kind: type[M], most: int) -> tuple[BeforeValidator, Any]:
    """For a list of at most ``most`` items that are validated one by one: what is wrong is left out with a note."""

    def read(value: Any, info: ValidationInfo) -> list[M]:
        hearing = info.context if isinstance(info.context, Hearing) else Hearing("")
        if not isinstance(value, list):
            hearing.note(f"{info.field_name} is no list: give a list")
            return []
        if len(value) > most:
            hearing.note(
                f"{info.field_name} has {len(value)} items, the first {most} were read: make it smaller"
            )
        found: list[M] = []
        for number, item in enumerate(value[:most], 1):
            try:
                found.append(kind.model_validate(item, context=hearing))
            except ValidationError as error:
                first = error.errors(include_url=False, include_input=False)[0]
                place = ".".join(map(str, (info.field_name, number, *first["loc"])))
                hearing.note(f"left out {place[:80]}: {first['msg'][:120]}")
        return found

    return BeforeValidator(read), Field(max_length=most)


def choice(literal: Any, default: str, aliases: Mapping[str, str] | None = None) -> BeforeValidator:
    """For a Literal that is read in any case and under other names; a word that is none of them is the default."""
    known = {str(word).lower(): word for word in get_args(literal)} | dict(aliases or {})

    def read(value: Any) -> Any:
        return known.get(value.strip().lower(), default) if isinstance(value, str) else default

    return BeforeValidator(read)


def ids_of(names: Iterable[tuple[str, str]]) -> Callable[[str], str]:
    """What a model means by a name: one of these ids, or the id of this label where it wrote that instead, in any
    style; a name that is neither stays."""
    known: dict[str, str] = {}
    exact: set[str] = set()
    for id_, label in names:
        exact.add(id_)
        for name in (id_, label):
            known.setdefault(identity(name), id_)
    return lambda name: name if name in exact else known.get(identity(name), name)


def without_references(schema: Mapping[str, Any]) -> Any:
    """The schema with what its references name in their places: what every provider can hold a model to."""
    definitions = schema.get("$defs", {})

    def inline(node: Any) -> Any:
        if isinstance(node, list):
            return [inline(item) for item in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            return inline(definitions[node["$ref"].rsplit("/", 1)[1]])
        return {key: inline(value) for key, value in node.items() if key != "$defs"}

    return inline(schema)
