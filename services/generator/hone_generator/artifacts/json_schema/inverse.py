"""The answer that a schema document is made of, as far as the answer's form has places for what it says."""

from typing import Any

from hone_generator.artifacts.document import Malformed, check_text, read_json
from hone_generator.artifacts.inverse import Inexpressible, Quotes, written
from hone_generator.artifacts.json_schema.answer import Answer
from hone_generator.artifacts.stated_again import StatedAgain

_PREFIXES = ("#/$defs/", "#/definitions/")


def answer_of(content: str, quotes: Quotes) -> str:
    """Raises Inexpressible."""
    try:
        check_text(content)
        document = read_json(content).value
    except Malformed as error:
        raise Inexpressible(f"the schema cannot be read: {error}") from None
    if not isinstance(document, dict):
        raise Inexpressible("the schema is no object")
    named = {**_objects(document, "definitions"), **_objects(document, "$defs")}
    again = StatedAgain(named, _PREFIXES, quotes)
    for name, schema in named.items():
        again.add(name, schema)
    title = _text(document.get("title"))
    root = again.name_of(document.get("$ref"))
    if not root and isinstance(document.get("properties"), dict) and not _is_collection(document, again):
        root = again.add(title or "Document", document)
    types = again.types()
    if not types:
        raise Inexpressible("the schema has no types with properties")
    return written(Answer(title="" if title == root else title, root=root, types=types))


def _objects(document: dict[str, Any], key: str) -> dict[str, dict[str, Any]]:
    found = document.get(key)
    return (
        {name: each for name, each in found.items() if isinstance(each, dict)}
        if isinstance(found, dict)
        else {}
    )


def _is_collection(document: dict[str, Any], again: StatedAgain) -> bool:
    """A document that holds lists of its types, and nothing else: what an answer without a root is made into."""
    properties = document["properties"]
    return "required" not in document and all(
        isinstance(each, dict)
        and each.keys() <= {"type", "items"}
        and isinstance(each.get("items"), dict)
        and again.name_of(each["items"].get("$ref")) != ""
        for each in properties.values()
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
