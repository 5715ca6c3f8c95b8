"""A whole OpenAPI 3.1 document from stated operations and types: what nobody should have to write, errors as problem
documents (RFC 9457), pages, security, references, is added the same way everywhere."""

from typing import Any

from hone_generator.artifacts.document import plain_scalar
from hone_generator.artifacts.left_out import LeftOut
from hone_generator.artifacts.object_types import StatedField, Types, field_schema, one_line, types_of
from hone_generator.artifacts.openapi.answer import METHODS, Answer, StatedOperation
from hone_generator.artifacts.openapi.paths import Paths, Template, operation_id
from hone_generator.text import naming

_PREFIX = "#/components/schemas/"
_MOST_OPERATIONS = 400
PROBLEM = "Problem"
_ERRORS = {
    400: ("BadRequest", "The request is not well-formed."),
    401: ("Unauthorized", "Who asks is not known."),
    403: ("Forbidden", "Who asks may not do this."),
    404: ("NotFound", "There is no such thing."),
    409: ("Conflict", "The request contradicts the present state."),
    410: ("Gone", "The thing is no longer there."),
    413: ("TooLarge", "The body is too large."),
    422: ("Unprocessable", "The request is well-formed but cannot be carried out."),
    429: ("TooManyRequests", "Too many requests; try again later."),
    500: ("ServerError", "The server failed."),
    503: ("Unavailable", "The service is not available; try again later."),
}
_SUCCESS = {200: "Done.", 201: "Made.", 204: "Done; there is nothing to say."}
_SCHEMES: dict[str, tuple[str, dict[str, Any]]] = {
    "bearer": ("bearerAuth", {"type": "http", "scheme": "bearer"}),
    "basic": ("basicAuth", {"type": "http", "scheme": "basic"}),
    "api_key": ("apiKeyAuth", {"type": "apiKey", "in": "header", "name": "X-API-Key"}),
}
_PAGING = {
    "Limit": {"name": "limit", "in": "query", "description": "How many to list at most.",
              "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}},
    "Cursor": {"name": "cursor", "in": "query", "description": "Where the page before ended.",
               "schema": {"type": "string"}},
}  # fmt: skip


def document_of(answer: Answer) -> tuple[dict[str, Any], LeftOut]:
    """The document, and what of the answer could not stand in it. Total and deterministic."""
    return _Writer(answer).document()


class _Writer:
    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._types: Types = types_of(answer.types, _PREFIX)
        self._paths, self._ids = Paths(), set[str]()
        self._errors: set[int] = set()
        self._paged = False
        self._scheme = _SCHEMES.get(answer.security.strip().lower())

    def document(self) -> tuple[dict[str, Any], LeftOut]:
        info = {"title": one_line(self._answer.title) or "API", "version": "1.0.0"}
        if one_line(self._answer.description):
            info["description"] = one_line(self._answer.description)
        paths: dict[str, dict[str, Any]] = {}
        for stated in self._answer.operations[:_MOST_OPERATIONS]:
            self._operation(stated, paths)
        document: dict[str, Any] = {"openapi": "3.1.0", "info": info}
        if self._scheme is not None:
            document["security"] = [{self._scheme[0]: []}]
        tags = dict.fromkeys(
            tag for item in paths.values() for each in _operations(item) for tag in each["tags"]
        )
        document |= {"tags": [{"name": tag} for tag in tags]} if tags else {}
        return {**document, "paths": paths, "components": self._components()}, self._types.left_out

    def _operation(self, stated: StatedOperation, paths: dict[str, dict[str, Any]]) -> None:
        method, where = stated.method.strip().lower(), f"{stated.method[:10]} {stated.path[:80]}"
        template = self._paths.template(stated.path)
        if method not in METHODS or not template.segments:
            self._types.left_out.unfit.append(
                f"{where}: write one of {', '.join(METHODS)} and a path like /members"
            )
            return
        item = paths.setdefault(template.text, self._item(template))
        if method in item:
            self._types.left_out.unfit.append(f"{where} is stated twice: keep one")
            return
        operation: dict[str, Any] = {
            "operationId": operation_id(method, template, self._ids, many=stated.many),
            "summary": one_line(stated.summary) or _summary(method, template, many=stated.many),
            "tags": [template.segments[0].strip("{}")],
        }
        if parameters := self._parameters(stated, template):
            operation["parameters"] = parameters
        body = self._content(stated.request, where) if method not in ("get", "delete") else None
        if body is not None:
            operation["requestBody"] = {"required": True, "content": body}
        operation["responses"] = self._responses(stated, method, template, where)
        item[method] = operation

    def _item(self, template: Template) -> dict[str, Any]:
        if not template.parameters:
            return {}
        return {
            "parameters": [
                {"name": name, "in": "path", "required": True, "schema": self._key_type(name)}
                for name in template.parameters
            ]
        }

    def _key_type(self, name: str) -> dict[str, Any]:
        """What the type that the parameter's name speaks of says of its key."""
        for said, known in self._types.names.items():
            for own, schema in self._types.schemas[known]["properties"].items():
                if naming.identity(name) in (naming.identity(f"{known} {own}"), said + naming.identity(own)):
                    return {key: schema[key] for key in ("type", "format") if key in schema} or {
                        "type": "string"
                    }
        return {"type": "string"}

    def _parameters(self, stated: StatedOperation, template: Template) -> list[dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for each in stated.query[:30]:
            name = "_".join(naming.words_of(each.name[:80]))
            if not name or name in template.parameters or name in ("limit", "cursor"):
                continue
            own = StatedField(name=name, type=each.type)
            schema = field_schema(own, self._types, _PREFIX, f"{stated.path[:60]} {name}")
            parameter = {"name": name, "in": "query", "required": each.required, "schema": schema}
            if one_line(each.description):
                parameter["description"] = one_line(each.description)
            found.setdefault(name, parameter)
        listed = list(found.values())
        if stated.paged and stated.many:
            self._paged = True
            listed += [{"$ref": f"#/components/parameters/{name}"} for name in _PAGING]
        return listed

    def _content(self, said: str, where: str, *, many: bool = False) -> dict[str, Any] | None:
        name = self._types.find(said) if said.strip() else None
        if name is None:
            if said.strip():
                self._types.left_out.dangling.append(
                    f"{where}: there is no type {said[:60]}; add it or correct the name"
                )
            return None
        schema: dict[str, Any] = {"$ref": _PREFIX + name}
        return {"application/json": {"schema": {"type": "array", "items": schema} if many else schema}}

    def _responses(
        self, stated: StatedOperation, method: str, template: Template, where: str
    ) -> dict[str, Any]:
        content = self._content(stated.response, where, many=stated.many)
        code = 201 if method == "post" else 200 if content else 204
        responses: dict[str, Any] = {str(code): {"description": _SUCCESS[code]}}
        if content:
            responses[str(code)]["content"] = content
        errors = {each for each in stated.errors if each in _ERRORS}
        errors |= {400} if method not in ("get", "delete") or stated.query else set()
        errors |= {401} if self._scheme else set()
        errors |= {404} if template.parameters else set()
        errors = errors or {400}
        self._errors |= errors
        for each in sorted(errors):
            responses[str(each)] = {"$ref": f"#/components/responses/{_ERRORS[each][0]}"}
        return responses

    def _components(self) -> dict[str, Any]:
        schemas = dict(self._types.schemas)
        problem = PROBLEM
        while problem in schemas:
            problem += "Details"
        components: dict[str, Any] = {"schemas": schemas}
        if self._errors:
            schemas[problem] = _problem()
            components["responses"] = {
                _ERRORS[code][0]: {
                    "description": _ERRORS[code][1],
                    "content": {"application/problem+json": {"schema": {"$ref": _PREFIX + problem}}},
                }
                for code in sorted(self._errors)
            }
        if self._paged:
            components["parameters"] = _PAGING
        if self._scheme is not None:
            components["securitySchemes"] = {self._scheme[0]: self._scheme[1]}
        return components


def _operations(item: dict[str, Any]) -> list[dict[str, Any]]:
    return [item[method] for method in METHODS if method in item]


def _problem() -> dict[str, Any]:
    texts = {name: {"type": "string"} for name in ("title", "detail")}
    uris = {name: {"type": "string", "format": "uri-reference"} for name in ("type", "instance")}
    return {
        "type": "object",
        "description": "What went wrong (RFC 9457).",
        "properties": {**texts, **uris, "status": {"type": "integer", "minimum": 400, "maximum": 599}},
        "required": ["title", "status"],
    }


def _summary(method: str, template: Template, *, many: bool) -> str:
    words = [each.replace("-", " ") for each in template.segments if not each.startswith("{")] or ["this"]
    verb = {"post": "Make", "put": "Replace", "patch": "Change", "delete": "Delete"}.get(method, "Read")
    shown = words[-1] if many or method == "post" else naming.singular(words[-1])
    return f"{'List' if many and method == 'get' else verb} {shown}"


def to_yaml(document: dict[str, Any]) -> str:
    import yaml  # noqa: PLC0415 (only documents need it)

    class Plain(yaml.CSafeDumper):
        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 (what stands twice is written twice)
            return True

    def written(dumper: yaml.CSafeDumper, text: str) -> yaml.ScalarNode:
        """In quotes what the YAML of today takes for something else; PyYAML knows that of 2005 alone."""
        style = None if isinstance(plain_scalar(text), str) else "'"
        return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Plain.add_representer(str, written)
    text: str = yaml.dump(document, Dumper=Plain, sort_keys=False, allow_unicode=True, width=100)
    return text
