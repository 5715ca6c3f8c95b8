"""Whether an OpenAPI document holds together: the initiative's schema accepts references that lead nowhere, paths
whose parameters nobody declares, two operations of one name."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hone_contracts.artifacts import ValidatorResult
from hone_generator.artifacts.document import Document, Path
from hone_generator.artifacts.json_schema.checks import circular
from hone_generator.artifacts.kind import Link, Name, Outline
from hone_generator.artifacts.left_out import LeftOut
from hone_generator.artifacts.openapi.style import style_flaws
from hone_generator.artifacts.openapi.walk import (
    Operation,
    listed,
    operations,
    pairs,
    references,
    schema_roots,
)
from hone_generator.artifacts.schema_outline import links_of, names_of
from hone_generator.artifacts.schema_walk import pointed_to, resolve, schema_flaws, shown, subschemas
from hone_generator.text import naming
from hone_generator.validators.flaws import MISSING, WRONG, Flaw, judged

_PARAMETER = re.compile(r"\{([^{}]*)\}")
# Bodies of errors are the same in every API: they are nobody's invention.
_CONVENTIONAL = frozenset(
    {"problem", "problemdetail", "error", "errorresponse", "validationerror", "httperror"}
)


@dataclass(slots=True)
class ParsedOpenApi:
    """``fault`` is why the text is no document; ``left_out`` what of the model's answer could not stand in it."""

    document: Document
    fault: str = ""
    left_out: LeftOut = field(default_factory=LeftOut)
    operations: list[Operation] = field(default_factory=list)
    schemas: list[tuple[Path, dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.operations = list(operations(self.document.value))
        roots = schema_roots(self.document.value)
        self.schemas = [found for path, schema in roots for found in subschemas(schema, path)]

    def structure(self) -> ValidatorResult:
        return judged(
            "structure", [*self._structure_flaws(), *self.left_out.structure_flaws()], self._elements
        )

    def references(self) -> ValidatorResult:
        lost = self.left_out.reference_flaws()
        return judged("references", [*self._reference_flaws(), *lost], self._elements)

    def style(self) -> ValidatorResult:
        return judged("style", style_flaws(self.document, self.operations, self.schemas), self._elements)

    def outline(self) -> Outline:
        names = [*self._action_names(), *_with_conventions(list(names_of(self.schemas, self.document)))]
        links = (*links_of(self.schemas), *self._path_links())
        return Outline(tuple(names), "everything", numbers=True, links=links)

    @property
    def _elements(self) -> int:
        types = len(pairs(self.document.value, "components", "schemas"))
        return 2 * len(self.operations) + types + len(self.schemas) // 2

    def _structure_flaws(self) -> Iterator[Flaw]:
        if self.fault:
            yield Flaw(WRONG, self.fault, fatal=True)
            return
        if not self.operations:
            yield Flaw(
                WRONG, "there are no operations: add the paths that the requirements ask for", fatal=True
            )
            return
        for each in self.operations:
            yield from _operation_flaws(each, self.document)
        used = {pointed_to(ref) for _, ref in references(self.document.value)}
        for kind in ("schemas", "responses", "parameters", "requestBodies"):
            for name, _ in pairs(self.document.value, "components", kind):
                path = ("components", kind, name)
                if path not in used:
                    where = self.document.at(path)
                    yield Flaw(
                        MISSING, f"{where}{kind}.{name[:60]} is used nowhere: refer to it or leave it out"
                    )

    def _reference_flaws(self) -> Iterator[Flaw]:
        value = self.document.value
        circles = circular(self.schemas)
        for path, ref in references(value):
            where = f"{self.document.at(path)}{shown(path)}"
            target = pointed_to(ref)
            if target is None:
                yield Flaw(
                    WRONG, f"{where}: $ref {ref[:80]} leads out of the document: bring it in under components"
                )
            elif not resolve(value, target)[0]:
                yield Flaw(
                    WRONG, f"{where}: $ref {ref[:80]} leads nowhere: add it under components or correct it"
                )
            elif target in circles:
                yield Flaw(WRONG, f"{where}: $ref {ref[:80]} leads in a circle to itself: describe the type")
        for each in self.operations:
            yield from self._parameter_flaws(each)
        yield from self._names_given_twice()
        yield from self._security_flaws()
        for path, schema in self.schemas:
            yield from schema_flaws(path, schema, self.document)

    def _parameter_flaws(self, operation: Operation) -> Iterator[Flaw]:
        wanted = _PARAMETER.findall(operation.template)
        declared: set[str] = set()
        for each in [*listed(operation.item, "parameters"), *listed(operation.value, "parameters")]:
            found = self._followed(each)
            if isinstance(found, dict) and found.get("in") == "path":
                declared.add(str(found.get("name")))
        where = f"{self.document.at(operation.path)}{operation.method} {operation.template[:80]}"
        for name in dict.fromkeys(wanted):
            if name not in declared:
                yield Flaw(WRONG, f"{where}: the parameter {name[:60]} is not declared: add it with in: path")
        for name in sorted(declared - set(wanted)):
            yield Flaw(WRONG, f"{where}: the path has no {{{name[:60]}}}: put it there or drop the parameter")

    def _followed(self, value: Any) -> Any:
        """What a reference leads to, one step."""
        ref = value.get("$ref") if isinstance(value, dict) else None
        target = pointed_to(ref) if isinstance(ref, str) else None
        if target is None:
            return value
        found, path = resolve(self.document.value, target)
        value = self.document.value
        for part in path if found else ():
            value = value[part]
        return value if found else None

    def _names_given_twice(self) -> Iterator[Flaw]:
        ids: dict[str, Operation] = {}
        for each in self.operations:
            name = each.value.get("operationId")
            if isinstance(name, str) and ids.setdefault(name, each) is not each:
                where = self.document.at((*each.path, "operationId"))
                yield Flaw(WRONG, f"{where}operationId {name[:60]} is given twice: name one otherwise")
        shapes: dict[str, str] = {}
        for template, _ in pairs(self.document.value, "paths"):
            shape = _PARAMETER.sub("{}", template)
            if shapes.setdefault(shape, template) != template:
                where = self.document.at(("paths", template))
                yield Flaw(WRONG, f"{where}{template[:80]} and {shapes[shape][:80]} are one path: join them")

    def _security_flaws(self) -> Iterator[Flaw]:
        schemes = {name for name, _ in pairs(self.document.value, "components", "securitySchemes")}
        places: list[tuple[Path, Any]] = [((), self.document.value)]
        places += [(each.path, each.value) for each in self.operations]
        for path, value in places:
            for requirement in listed(value, "security"):
                for name in requirement if isinstance(requirement, dict) else ():
                    if name not in schemes:
                        where = self.document.at((*path, "security"))
                        yield Flaw(
                            WRONG,
                            f"{where}security names {name[:60]}, which is no scheme: add it to securitySchemes",
                        )

    def _action_names(self) -> Iterator[Name]:
        for each in self.operations:
            line = self.document.line(each.path)
            name = each.value.get("operationId")
            words = name if isinstance(name, str) else f"{each.method} {each.template}"
            yield Name(words[:200], "action", line)
            for key in ("summary", "description"):
                if isinstance(each.value.get(key), str):
                    yield Name(each.value[key], "prose", self.document.line((*each.path, key)))
            yield Name(_PARAMETER.sub("", each.template)[:200], "label", line)
            for parameter in listed(each.value, "parameters"):
                found = self._followed(parameter)
                if isinstance(found, dict) and found.get("in") == "query":
                    yield Name(str(found.get("name"))[:200], "member", line, derived=found is not parameter)

    def _path_links(self) -> Iterator[Link]:
        """/members/{member_id}/loans: one member has many loans."""
        types = {
            naming.identity(name): name for name, _ in pairs(self.document.value, "components", "schemas")
        }
        for each in self.operations:
            parts = each.template.strip("/").split("/")
            for index in range(len(parts) - 2):
                owner, between, other = parts[index : index + 3]
                if _PARAMETER.fullmatch(between):
                    ends = types.get(naming.identity(owner)), types.get(naming.identity(other))
                    if ends[0] and ends[1] and ends[0] != ends[1]:
                        yield Link(ends[0], ends[1], None, True)


def _operation_flaws(operation: Operation, document: Document) -> Iterator[Flaw]:
    where = f"{document.at(operation.path)}{operation.method} {operation.template[:80]}"
    codes = [code for code, _ in pairs(operation.value, "responses")]
    if not codes:
        yield Flaw(WRONG, f"{where} has no responses: say what is answered")
    elif not any(str(code)[:1] in ("2", "3") or code == "default" for code in codes):
        yield Flaw(MISSING, f"{where} never succeeds: add a response of 200, 201 or 204")
    if operation.method in ("put", "patch") and "requestBody" not in operation.value:
        yield Flaw(MISSING, f"{where} has no requestBody: say what is sent")
    for code, response in pairs(operation.value, "responses"):
        empty = isinstance(response, dict) and not {"$ref", "content"} & response.keys()
        if empty and operation.method == "get" and code == "200":
            yield Flaw(MISSING, f"{where} answers nothing with 200: add the content")


def _with_conventions(names: list[Name]) -> Iterator[Name]:
    """Types that stand for errors, and their members, are derived."""
    owner_is_error = False
    for each in names:
        if each.role == "type":
            owner_is_error = naming.identity(each.text) in _CONVENTIONAL
        derived = each.derived or (owner_is_error and each.role in ("type", "member"))
        yield Name(each.text, each.role, each.line, derived)
