"""The official metaschema of 2020-12, applied by jsonschema-rs: nothing is fetched, and no pattern is run."""

from itertools import islice
from typing import Any

from hone_generator.artifacts.document import Document, Malformed, check_text, read_json
from hone_generator.artifacts.json_schema.answer import DIALECT
from hone_generator.artifacts.schema_walk import shown

_MOST_FAULTS = 10


def faults_of(text: str) -> list[str]:
    """What is wrong with a text as a schema of 2020-12."""
    try:
        check_text(text)
        document = read_json(text)
    except Malformed as error:
        return [str(error)]
    if not isinstance(document.value, dict):
        return ["line 1: a schema is a JSON object: begin with {"]
    said = [f"line {line}: {path[-1]} is given twice: keep one" for path, line in document.twice]
    declared = document.value.get("$schema")
    if declared is not None and str(declared).rstrip("#") != DIALECT:
        said.append(f'{document.at(("$schema",))}$schema is another dialect: write "{DIALECT}"')
    return said or _against_metaschema(document)


def _against_metaschema(document: Document) -> list[str]:
    import jsonschema_rs  # noqa: PLC0415 (10 MB that only judging needs)

    validator = jsonschema_rs.Draft202012Validator({"$ref": DIALECT})  # it carries the metaschema
    return faults_in(document, validator)


def faults_in(document: Document, validator: Any) -> list[str]:
    """What a validator of jsonschema-rs says of a document, with lines. Of alternatives the first speaks."""
    said: dict[str, None] = {}
    for error in islice(validator.iter_errors(document.value), _MOST_FAULTS):
        path = tuple(error.instance_path)
        alternatives = getattr(error.kind, "context", None)
        message = alternatives[0][0].message if alternatives and alternatives[0] else error.message
        message = message if len(message) <= 160 else f"{message[:80]} … {message[-70:]}"
        said[f"{document.at(path)}{shown(path)}: {message}"] = None
    return list(said)
