"""Conventions of HTTP APIs: paths of plural nouns in kebab-case, one case for names, the status codes that fit."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from hone_generator.artifacts.document import Document, Path
from hone_generator.artifacts.json_schema.answer import plural
from hone_generator.artifacts.json_schema.checks import property_style
from hone_generator.artifacts.openapi.walk import Operation, pairs
from hone_generator.text import naming
from hone_generator.validators.flaws import MISSING, ODD, WRONG, Flaw

MOST_OPERATIONS = 200  # more in one document are read by nobody
_KEBAB = re.compile(r"[a-z0-9]+(?:[-.][a-z0-9]+)*")
_VERBS = frozenset(
    "get list create add update edit delete remove fetch find make set post put patch save".split()  # noqa: SIM905
)


def style_flaws(
    document: Document, operations: Sequence[Operation], schemas: list[tuple[Path, dict[str, Any]]]
) -> Iterator[Flaw]:
    if len(operations) > MOST_OPERATIONS:
        yield Flaw(WRONG, f"there are {len(operations)} operations: split the API, {MOST_OPERATIONS} at most")
    for template, _ in pairs(document.value, "paths"):
        yield from _path_style(document.at(("paths", template)), template)
    for each in operations:
        yield from _operation_style(document, each)
    for name, _ in pairs(document.value, "components", "schemas"):
        if not name[:1].isupper():
            where, better = document.at(("components", "schemas", name)), naming.entity_name(name)[:60]
            yield Flaw(ODD, f"{where}schema {name[:60]} is not in PascalCase: write {better}")
    yield from property_style(schemas, document)


def _path_style(where: str, template: str) -> Iterator[Flaw]:
    if len(template) > 1 and template.endswith("/"):
        yield Flaw(ODD, f"{where}{template[:80]} ends in a slash: leave it out")
    parts = [part for part in template.split("/") if part]
    for index, part in enumerate(parts):
        if part.startswith("{"):
            continue
        words = naming.words_of(part)
        if not _KEBAB.fullmatch(part) and words:
            yield Flaw(
                ODD,
                f"{where}{part[:60]} in {template[:80]} is not in kebab-case: write {'-'.join(words)[:60]}",
            )
        if words and words[0] in _VERBS:
            yield Flaw(
                ODD,
                f"{where}{template[:80]} has a verb in it: the method says what is done, the path to what",
            )
        followed = index + 1 < len(parts) and parts[index + 1].startswith("{")
        if followed and words and plural(words[-1]) != words[-1]:
            yield Flaw(
                ODD, f"{where}{part[:60]} in {template[:80]} holds several: write {plural(words[-1])[:60]}"
            )


def _operation_style(document: Document, operation: Operation) -> Iterator[Flaw]:
    where = f"{document.at(operation.path)}{operation.method} {operation.template[:80]}"
    value = operation.value
    codes = {str(code) for code, _ in pairs(value, "responses")}
    name = value.get("operationId")
    if not isinstance(name, str):
        yield Flaw(ODD, f"{where} has no operationId: clients name their functions after it")
    elif not re.fullmatch(r"[a-z][A-Za-z0-9]*", name[:200]):
        yield Flaw(ODD, f"{where}: operationId {name[:60]} is not in camelCase")
    if not value.get("summary") and not value.get("description"):
        yield Flaw(MISSING, f"{where} has neither summary nor description: say in a line what it does")
    if operation.method == "delete" and codes and not codes & {"200", "202", "204", "default"}:
        yield Flaw(ODD, f"{where} answers no 204: that is what a deletion is answered with")
    if codes and not any(code.startswith(("4", "default")) for code in codes):
        yield Flaw(ODD, f"{where} knows no error: add at least 400, and 404 where something is named")
