"""What models answer in JSON, read as far as it goes.

A provider holds its model to the closed schema, or does not: then one item that is wrong costs that item, with a note,
and a word that is almost one of a few choices is taken for it. Sizes are bounded in the schema, since a small model
that repeats itself would never end, and again when the answer is read.
"""

from collections.abc import Mapping
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

_MOST_NOTES = 20  # more, and nobody reads them
M = TypeVar("M", bound=BaseModel)


def _string(most: int) -> Any:
    return Annotated[
        str,
        AfterValidator(lambda text: text[: most * 4]),
        WithJsonSchema({"type": "string", "maxLength": most}),
    ]


Text = _string(120)
Word = _string(60)
_Quote = _string(240)
_Reasoning = Annotated[_string(2_000), BeforeValidator(lambda said: said if isinstance(said, str) else "")]


@dataclass(slots=True)
class Hearing:
    """What an answer is held against while it is read, and what there is to say of it. ``requirements`` are plain."""

    requirements: str
    notes: list[str] = field(default_factory=list)
    strange_quotes: int = 0

    def closed_schema(model: type[BaseModel]) -> dict[str, Any]:
    """JSON schema with all properties required and no others, in their order, and without references: what every
    provider can hold a model to."""
    schema = model.model_json_schema(by_alias=True)
    closed: dict[str, Any] = _closed(schema, schema.get("$defs", {}))
    return closed


def _closed(node: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_closed(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _closed(definitions[node["$ref"].rsplit("/", 1)[1]], definitions)
    closed = {
        key: _closed(value, definitions)
        for key, value in node.items()
        if key not in ("default", "title", "$defs")
    }
    if isinstance(node.get("properties"), dict):
        properties = {name: _closed(value, definitions) for name, value in node["properties"].items()}
        closed |= {"properties": properties, "required": list(properties), "additionalProperties": False}
    return closed
