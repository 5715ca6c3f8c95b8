"""Lists of attributes as texts write them: with articles, bare, with types in brackets."""

from hone_contracts.erd_facts import AttributeType
from hone_trainer.starter.inflection import article
from hone_trainer.starter.names import Attribute
from hone_trainer.starter.writer import Writer

# Types as people write them, and what they are to us.
SPOKEN_TYPES: tuple[tuple[str, AttributeType], ...] = (
    ("string", "string"), ("text", "text"), ("integer", "int"), ("int", "int"), ("number", "int"),
    ("whole number", "int"), ("decimal", "decimal"), ("money", "decimal"), ("float", "float"), ("double", "float"),
    ("boolean", "boolean"), ("yes / no", "boolean"), ("true or false", "boolean"), ("date", "date"),
    ("datetime", "datetime"), ("timestamp", "datetime"), ("date and time", "datetime"), ("uuid", "uuid"),
    ("enum", "enum"), ("enumeration", "enum"), ("json", "json"), ("image", "binary"), ("blob", "binary"),
    ("varchar ( 255 )", "string"), ("char ( 2 )", "string"), ("free text", "text"), ("bigint", "int"),
)  # fmt: skip
_LENGTHS = ((1, 2, 3, 4, 5, 6, 7, 8, 9), (6, 18, 26, 20, 12, 8, 5, 3, 2))
_OPTIONAL = (
    "optional",
    "mandatory",
    "required",
    "if known",
    "may be empty",
    "not null",
    "if any",
    "in euros",
)
DESCRIBED_SHARE = 0.04
WHETHER_SHARE = 0.03
_IT_IS = ("it is", "it is still", "they are", "it has been", "this is", "it was")


def attribute_count(writer: Writer) -> int:
    return writer.rng.choices(*_LENGTHS)[0]


def joined(writer: Writer, items: list[str]) -> str:
    """ "a, b and c" with the usual variations."""
    if len(items) == 1:
        return items[0]
    last = writer.rng.choices(
        (" and ", " , and ", " as well as ", " , ", " & ", " plus ", " and also "), (60, 18, 5, 6, 2, 2, 2)
    )[0]
    between = " ; " if len(items) > 2 and writer.chance(0.02) else " , "
    return between.join(items[:-1]) + last + items[-1]


def with_articles(writer: Writer, attributes: list[Attribute]) -> tuple[str, list[Attribute]]:
    """ "a name, an email (unique) and a date of birth"; keys and types may be added in brackets."""
    style = writer.rng.choices(("a", "its", "the", ""), (62, 12, 8, 18))[0]
    return _written(writer, attributes, style, bracket_share=0.06)


def bare(writer: Writer, attributes: list[Attribute]) -> tuple[str, list[Attribute]]:
    """ "name, email and date of birth"."""
    return _written(writer, attributes, "", bracket_share=0.08)


def possessive(writer: Writer, attributes: list[Attribute]) -> tuple[str, list[Attribute]]:
    """ "its name, its email and the date of birth"."""
    style = writer.rng.choices(
        ("its", "their", "the", "the first", "his or her", "a", ""), (28, 10, 20, 18, 3, 8, 13)
    )[0]
    return _written(writer, attributes, style, bracket_share=0.04)


def definite(writer: Writer, attributes: list[Attribute]) -> tuple[str, list[Attribute]]:
    """ "the name, the email and the date of birth"."""
    style = writer.rng.choices(("the", "the first", ""), (35, 40, 25))[0]
    return _written(writer, attributes, style, bracket_share=0.03)


def after_colon(writer: Writer, attributes: list[Attribute]) -> tuple[str, list[Attribute]]:
    """As in "fields: name (string), email (unique)"."""
    share = writer.rng.choice((0.0, 0.1, 0.9))
    return _written(writer, attributes, "", bracket_share=share)


def enum_values(writer: Writer) -> str:
    values = writer.rng.sample(writer.lexicon.closed["enum values"], writer.rng.randint(2, 4))
    last = writer.rng.choice((" or ", " , ", " and ", " , or ", " / "))
    return " , ".join(values[:-1]) + last + values[-1]


def _written(
    writer: Writer, attributes: list[Attribute], style: str, bracket_share: float
) -> tuple[str, list[Attribute]]:
    items: list[str] = []
    said: list[Attribute] = []
    for index, attribute in enumerate(attributes):
        if style in {"its", "the", "their"} and writer.chance(WHETHER_SHARE):
            flag = writer.closed("attribute flags")
            if all(flag != other.name for other in [*said, *attributes]):
                items.append(f"whether {writer.rng.choice(_IT_IS)} {flag}")
                said.append(Attribute(flag, "boolean"))
                continue
        text, meant = attribute.name, attribute
        if writer.chance(bracket_share):
            text, meant = _bracketed(writer, attribute)
        items.append(_introduced(writer, text, style, index))
        said.append(meant)
    return joined(writer, items), said


def _introduced(writer: Writer, text: str, style: str, index: int) -> str:
    words = text
    if writer.chance(DESCRIBED_SHARE):
        words = f"{writer.closed('attribute adjectives')} {words}"
    if writer.chance(DESCRIBED_SHARE) and not words.endswith(")"):
        words = f"{words} {writer.closed('attribute remarks')}"
    match style:
        case "a":
            plural = text.endswith("s") and not text.endswith(("ss", "us", "is"))
            return words if plural else f"{article(words)} {words}"
        case "the first":
            return f"the {words}" if index == 0 else words
        case "":
            return words
        case _:
            return f"{style} {words}" if index == 0 or style in {"the", "its"} else words


def _bracketed(writer: Writer, attribute: Attribute) -> tuple[str, Attribute]:
    """An attribute with a remark: its type, its being unique, or something that changes nothing."""
    name = attribute.name
    match writer.rng.choices(("type", "unique", "primary", "optional", "values"), (45, 15, 8, 25, 7))[0]:
        case "type":
            spoken, meant = writer.rng.choice(SPOKEN_TYPES)
            text = f"{name} : {spoken}" if writer.chance(0.1) else f"{name} ( {spoken} )"
            return text, Attribute(name, meant)
        case "unique":
            remark = writer.rng.choice(
                (
                    "{} ( unique )",
                    "{} ( unique )",
                    "unique {}",
                    "unique {}",
                    "{} ( must be unique )",
                    "{} ( uk )",
                )
            )
            return remark.format(name), Attribute(name, attribute.type, "UK")
        case "primary":
            return f"{name} ( {writer.rng.choice(('primary key', 'pk', 'key'))} )", Attribute(
                name, attribute.type, "PK"
            )
        case "values":
            return f"{name} ( {enum_values(writer)} )", Attribute(name, "enum")
        case _:
            return f"{name} ( {writer.rng.choice(_OPTIONAL)} )", attribute
