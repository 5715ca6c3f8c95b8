"""The OpenAPI Initiative's own schema of 3.1, and the metaschema of JSON Schema for every schema within."""

import json
from functools import lru_cache
from importlib import resources
from typing import Any

from hone_generator.artifacts.document import Document, Malformed, Path, read_document
from hone_generator.artifacts.json_schema.answer import DIALECT
from hone_generator.artifacts.json_schema.grammar import faults_in
from hone_generator.artifacts.openapi.walk import schema_roots
from hone_generator.artifacts.schema_walk import shown

_MOST_FAULTS = 10


def faults_of(text: str) -> list[str]:
    """What is wrong with a text as an OpenAPI 3.1 document. Nothing is ever fetched."""
    try:
        document = read_document(text)
    except Malformed as error:
        return [str(error)]
    if not isinstance(document.value, dict):
        return ["line 1: this is no OpenAPI document: begin with openapi: 3.1.0"]
    if document.twice:
        return [
            f"line {line}: {path[-1]} is given twice: keep one"
            for path, line in document.twice[:_MOST_FAULTS]
        ]
    version = document.value.get("openapi")
    if not isinstance(version, str) or not version.startswith("3.1."):
        where = document.at(("openapi",)) or "line 1: "
        return [f"{where}the version is {str(version)[:20]}: write openapi: 3.1.0"]
    return faults_in(document, _validator()) or _schema_faults(document)


@lru_cache(maxsize=1)
def _validator() -> Any:
    import jsonschema_rs  # noqa: PLC0415 (10 MB that only judging needs)

    text = resources.files("hone_generator.artifacts.openapi").joinpath("schema-3.1.json").read_text("utf-8")
    return jsonschema_rs.Draft202012Validator(json.loads(text))


def _schema_faults(document: Document) -> list[str]:
    """The initiative's schema takes any object for a schema."""
    import jsonschema_rs  # noqa: PLC0415 (as above)

    validator = jsonschema_rs.Draft202012Validator({"$ref": DIALECT})
    said: list[str] = []
    for path, schema in schema_roots(document.value):
        if len(said) >= _MOST_FAULTS:
            break
        for error in validator.iter_errors(schema):
            place: Path = (*path, *error.instance_path)
            alternatives = getattr(error.kind, "context", None)
            message = alternatives[0][0].message if alternatives and alternatives[0] else error.message
            said.append(f"{document.at(place)}{shown(place)}: {message[:160]}")
    return said
