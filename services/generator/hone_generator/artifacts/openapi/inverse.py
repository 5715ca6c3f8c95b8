"""The answer that an API's document is made of. What rendering adds everywhere by itself (problem documents, pages,
the errors that follow from a method) is not said."""

from collections.abc import Mapping
from typing import Any

from hone_generator.artifacts.document import Malformed, read_document
from hone_generator.artifacts.inverse import Inexpressible, Quotes, written
from hone_generator.artifacts.openapi.answer import METHODS, Answer, StatedOperation, StatedParameter
from hone_generator.artifacts.openapi.walk import Operation, listed, operations, pairs
from hone_generator.artifacts.stated_again import StatedAgain
from hone_generator.text import naming

_PREFIX = "#/components/schemas/"
_PAGING = frozenset({"limit", "cursor", "offset", "page", "page_size", "per_page"})
_MOST_OPERATIONS = 400
_DEEPEST = 8


def answer_of(content: str, quotes: Quotes) -> str:
    """Raises Inexpressible."""
    try:
        document = read_document(content).value
    except Malformed as error:
        raise Inexpressible(f"the document cannot be read: {error}") from None
    if not isinstance(document, dict):
        raise Inexpressible("the document is no object")
    return _Reader(document, quotes).answer()


class _Reader:
    def __init__(self, document: dict[str, Any], quotes: Quotes) -> None:
        self._document, self._quotes = document, quotes
        schemas = pairs(document, "components", "schemas")
        named = {
            name: each for name, each in schemas if isinstance(each, dict) and not _is_problem(name, each)
        }
        self._again = StatedAgain(named, (_PREFIX,), quotes)
        for name, schema in named.items():
            self._again.add(name, schema)
        self._security = self._scheme()

    def answer(self) -> str:
        found = [
            self._operation(each)
            for each in list(operations(self._document))[:_MOST_OPERATIONS]
            if each.method in METHODS
        ]
        types = self._again.types()
        if not found:
            raise Inexpressible("the document has no operations")
        info = self._document.get("info")
        info = info if isinstance(info, dict) else {}
        title = _text(info.get("title"))
        answer = Answer(
            title="" if title == "API" else title,
            description=_text(info.get("description")),
            security=self._security,
            types=types,
            operations=found,
        )
        return written(answer)

    def _operation(self, each: Operation) -> StatedOperation:
        words = naming.words_of(f"{each.method} {each.template}"[:200])
        name = "".join(word.capitalize() for word in words) or "Body"
        request, _ = self._type(self._content(each.value.get("requestBody")), f"{name}Request")
        responses = [(str(code), value) for code, value in pairs(each.value, "responses")]
        success = next((self._content(value) for code, value in responses if code.startswith("2")), {})
        response, many = self._type(success, f"{name}Response")
        own = [
            self._found(one) for one in (*listed(each.item, "parameters"), *listed(each.value, "parameters"))
        ]
        asked = [one for one in own if one.get("in") == "query"]
        query = [
            self._parameter(one)
            for one in asked
            if _text(one.get("name")) and naming.attribute_name(_text(one["name"])) not in _PAGING
        ]
        paged = len(query) < len(asked)
        # Pages are of a list, and its name says so where no body does.
        many = many or paged or _text(each.value.get("operationId")).startswith("list")
        return StatedOperation(
            method=each.method,
            path=each.template,
            summary=_text(each.value.get("summary")),
            request=request,
            response=response,
            many=many,
            paged=paged,
            query=query,
            errors=self._errors(each, {code for code, _ in responses}, has_query=bool(query)),
            evidence=self._quotes.of_element("operation", f"{each.method} {each.template}"),
        )

    def _errors(self, each: Operation, codes: set[str], *, has_query: bool) -> list[int]:
        """Those that do not follow from the method, the path and the security."""
        implied = {400} if has_query or each.method not in ("get", "delete") else set()
        implied |= {401} if self._security != "none" else set()
        implied |= {404} if "{" in each.template else set()
        stated = {int(code) for code in codes if code.isdigit() and len(code) == 3 and code >= "400"}
        return sorted(stated - (implied or {400}))

    def _parameter(self, each: Mapping[str, Any]) -> StatedParameter:
        schema = each.get("schema")
        said = self._again.field("", _text(each["name"]), schema if isinstance(schema, dict) else {})
        return StatedParameter(
            name=said.name,
            type="string" if said.type in ("enum", "object", "any") else said.type,
            required=each.get("required") is True,
            description=_text(each.get("description")),
        )

    def _type(self, schema: Mapping[str, Any], name: str) -> tuple[str, bool]:
        """The type of a body, and whether it is a list of these; a body that is described in its place becomes a
        type of its own."""
        items = schema.get("items")
        if schema.get("type") == "array" and isinstance(items, dict):
            return self._type(items, name)[0], True
        return self._again.name_of(schema.get("$ref")) or self._again.add(name, schema), False

    def _content(self, body: Any) -> Mapping[str, Any]:
        """The schema of a body in JSON, or in whatever it comes in; empty for none."""
        media = dict(pairs(self._found(body), "content"))
        one: Any = media.get("application/json") or next(iter(media.values()), {})
        schema = one.get("schema") if isinstance(one, dict) else None
        return schema if isinstance(schema, dict) else {}

    def _found(self, value: Any) -> Mapping[str, Any]:
        """What a reference within the document leads to."""
        for _ in range(_DEEPEST):
            if not isinstance(value, dict):
                return {}
            reference = value.get("$ref")
            if not isinstance(reference, str) or not reference.startswith("#/"):
                return value
            value = self._document
            for part in reference[2:].split("/"):
                value = value.get(part) if isinstance(value, dict) else None
        return {}

    def _scheme(self) -> str:
        if not self._document.get("security"):
            return "none"
        schemes = [
            each
            for _, each in pairs(self._document, "components", "securitySchemes")
            if isinstance(each, dict)
        ]
        kind = schemes[0] if schemes else {}
        if kind.get("type") == "apiKey":
            return "api_key"
        return "basic" if kind.get("scheme") == "basic" else "bearer"


def _is_problem(name: str, schema: Mapping[str, Any]) -> bool:
    """The problem document of RFC 9457, under any of its names."""
    own = {key for key, _ in pairs(schema, "properties")}
    return name.startswith(("Problem", "Error")) and own >= {"title", "status"}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
