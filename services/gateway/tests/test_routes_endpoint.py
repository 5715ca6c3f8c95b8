"""Routes over HTTP: a routes file goes to the registry as it is, and its faults come back one by one."""

from collections.abc import Awaitable, Callable

from playing import Gateway
from test_other_services import answered
from test_requests import is_problem

from hone_chassis.errors import Permanent
from hone_contracts.registry import ApplyRoutes, ListRoutes, Route, Routes, RoutesApplied

YAML = {"content-type": "application/yaml"}
TABLE = Routes(
    routes={"default": Route(artifact_type="default", model="ollama:a")}, set_by={"default": "user"}
)
FAULTS = [{"line": 3, "key": "openapi.modle", "reason": "no such key; did you mean model?"}]


def registry(asked: list[ApplyRoutes]) -> Callable[[ApplyRoutes], Awaitable[RoutesApplied]]:
    async def apply(question: ApplyRoutes) -> RoutesApplied:
        asked.append(question)
        if "modle" in question.text:
            detail = "line 3: no such key"
            more = {"faults": FAULTS, "status": 200, "headers": {"x": "y"}}
            raise Permanent("bad_routes", "Not applied", detail, 422, more)
        return RoutesApplied(dry_run=question.dry_run, changes=(), table=TABLE)

    return apply


async def test_the_table_is_shown_with_who_set_it(sqlite_gateway: Gateway) -> None:
    async def routes(_question: ListRoutes) -> Routes:
        return TABLE

    async with answered(sqlite_gateway, ListRoutes, routes):
        assert (await sqlite_gateway.http.get("/api/routes")).json() == TABLE.model_dump(mode="json")


async def test_a_file_goes_to_the_registry_with_the_name_of_the_key(sqlite_gateway: Gateway) -> None:
    asked: list[ApplyRoutes] = []
    http = sqlite_gateway.http
    async with answered(sqlite_gateway, ApplyRoutes, registry(asked)):
        text = "default:  # ünï\n  model: ollama:a\n"
        applied = await http.put("/api/routes", content=text.encode(), headers=YAML)
        tried = await http.put("/api/routes?dry_run=true", content=b"\xef\xbb\xbf{}", headers=YAML)
        json_body = b'{\t"default":\n\t{"model": "ollama:a"}}'
        as_json = await http.put(
            "/api/routes", content=json_body, headers={"content-type": "application/json"}
        )
    assert [each.status_code for each in (applied, tried, as_json)] == [200, 200, 200]
    assert applied.json()["table"] == TABLE.model_dump(mode="json")
    assert [(each.text, each.dry_run) for each in asked] == [
        (text, False), ("{}", True), ('{ "default":\n {"model": "ollama:a"}}', False),
    ]  # fmt: skip
    assert {each.actor for each in asked} == {"key bootstrap"}


async def test_the_faults_of_a_file_are_fields_of_the_problem(sqlite_gateway: Gateway) -> None:
    async with answered(sqlite_gateway, ApplyRoutes, registry([])):
        refused = await sqlite_gateway.http.put("/api/routes", content=b"a:\n\n  modle: x", headers=YAML)
    assert is_problem(refused, 422, "bad_routes")["faults"] == FAULTS


async def test_what_is_no_routes_file_does_not_reach_the_registry(sqlite_gateway: Gateway) -> None:
    asked: list[ApplyRoutes] = []
    http = sqlite_gateway.http
    async with answered(sqlite_gateway, ApplyRoutes, registry(asked)):
        for content_type in ("text/html", "application/x-www-form-urlencoded", "text/plain"):
            headers = {"content-type": content_type}
            is_problem(
                await http.put("/api/routes", content=b"{}", headers=headers), 415, "not_a_routes_file"
            )
        json_type = {"content-type": "application/json"}
        for body in (b"{", b"[" * 60_000, b"default: {}"):
            is_problem(await http.put("/api/routes", content=body, headers=json_type), 400, "malformed_body")
        latin = "default: ü".encode("latin-1")
        is_problem(await http.put("/api/routes", content=latin, headers=YAML), 400, "malformed_body")
        large = b"#" * 70_000
        is_problem(await http.put("/api/routes", content=large, headers=YAML), 413, "routes_file_too_large")
        huge = b"#" * 600_000
        is_problem(await http.put("/api/routes", content=huge, headers=YAML), 413, "body_too_large")
        other = {**YAML, "Origin": "https://evil.example"}
        is_problem(await http.put("/api/routes", content=b"{}", headers=other), 403, "cross_site")
        nobody = {**YAML, "Authorization": "Bearer wrong"}
        is_problem(await http.put("/api/routes", content=b"{}", headers=nobody), 401, "not_authenticated")
        maybe = await http.put("/api/routes?dry_run=maybe", content=b"{}", headers=YAML)
        is_problem(maybe, 422, "invalid_request")
    assert asked == []
