"""What comes in over HTTP: refused with a problem document that says what to do, or taken."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from playing import KEY, REQUEST, Gateway

from hone_contracts.artifacts import ArtifactType

JSON = {"content-type": "application/json"}


def is_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail", "instance"} <= set(problem)
    assert (problem["status"], problem["code"]) == (status, code), problem
    assert problem["detail"]
    return problem


async def test_an_unknown_type_is_told_which_there_are(sqlite_gateway: Gateway) -> None:
    problem = is_problem(await sqlite_gateway.post(REQUEST | {"type": "uml"}), 422, "unknown_artifact_type")
    assert problem["types"] == [each.value for each in ArtifactType]
    assert "'uml'" in problem["detail"]


async def test_bodies_that_do_not_fit_are_refused_and_leave_nothing(sqlite_gateway: Gateway) -> None:
    gateway = sqlite_gateway
    cases: list[tuple[dict[str, Any], str]] = [
        (REQUEST | {"requirements": ""}, "requirements"),
        (REQUEST | {"requirements": " \n\t\u2003"}, "requirements"),
        (REQUEST | {"requirements": "a\x00b"}, "requirements"),
        (REQUEST | {"requirements": "a\x1b[31m"}, "requirements"),
        (REQUEST | {"requirements": "a" * 200_001}, "requirements"),
        (REQUEST | {"requirements": 7}, "requirements"),
        (REQUEST | {"model": "no-provider"}, "model"),
        (REQUEST | {"modle": "ollama:x"}, "modle"),
        (REQUEST | {"context_text": "a\x00b"}, "context_text"),
        (REQUEST | {"context_text": "a" * 200_001}, "context_text"),
        (REQUEST | {"options": {"Dialect": "sqlite"}}, "options.Dialect.[key]"),
        (REQUEST | {"options": {"dialect": "a\x1b[31m"}}, "options.dialect"),
        (REQUEST | {"options": {f"o{number}": "" for number in range(21)}}, "options"),
        (REQUEST | {"budget": {"deadline": 5}}, "budget.deadline"),
        (REQUEST | {"budget": {"deadline_s": 0}}, "budget.deadline_s"),
        (REQUEST | {"budget": {"max_cost_usd": -1}}, "budget.max_cost_usd"),
        ({"type": "mermaid_erd"}, "requirements"),
    ]
    for body, field in cases:
        problem = is_problem(await gateway.post(body), 422, "invalid_request")
        assert problem["errors"][0]["field"] == field
        assert len(problem["detail"]) < 500
    is_problem(await gateway.post([REQUEST]), 422, "invalid_request")
    assert (await gateway.http.get("/api/jobs")).json() == {"jobs": []}


async def test_a_refusal_is_plain_and_short_whatever_was_sent(sqlite_gateway: Gateway) -> None:
    empty = is_problem(await sqlite_gateway.post(REQUEST | {"requirements": ""}), 422, "invalid_request")
    assert empty["detail"] == "requirements: write what the artifact shall show; it is empty"
    for unknown in ({f"field{number}": 1 for number in range(20_000)}, {"k" * 400_000: 1}):
        response = await sqlite_gateway.post(REQUEST | unknown)
        is_problem(response, 422, "invalid_request")
        assert len(response.content) < 10_000


async def test_what_is_no_json_is_refused(sqlite_gateway: Gateway) -> None:
    http = sqlite_gateway.http
    for body in (
        b"",
        b"{",
        b'{"type": "mermaid_erd", "requirements": "\xff"}',
        b"[" * 5000,
        b'{"type": "\\ud800"}',
    ):
        is_problem(await http.post("/api/artifacts", content=body, headers=JSON), 400, "malformed_body")
    form = {"content-type": "application/x-www-form-urlencoded"}
    is_problem(await http.post("/api/artifacts", content=json.dumps(REQUEST), headers=form), 415, "not_json")


async def test_a_body_past_the_limit_is_refused_however_it_is_sent(sqlite_gateway: Gateway) -> None:
    http = sqlite_gateway.http

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(1024):
            yield b" " * 1024

    whole = json.dumps(REQUEST | {"requirements": "a" * 1_000_000})
    problem = is_problem(
        await http.post("/api/artifacts", content=whole, headers=JSON), 413, "body_too_large"
    )
    assert problem["limit_bytes"] == 512 * 1024
    is_problem(await http.post("/api/artifacts", content=chunks(), headers=JSON), 413, "body_too_large")
    assert (await sqlite_gateway.post()).status_code == 202


async def test_long_requirements_in_any_script_are_taken(sqlite_gateway: Gateway) -> None:
    assert (await sqlite_gateway.post(REQUEST | {"requirements": "借" * 170_000})).status_code == 202


async def test_without_a_valid_key_nothing_is_said(sqlite_gateway: Gateway) -> None:
    url = sqlite_gateway.http.base_url
    async with httpx.AsyncClient(base_url=url) as http:
        texts = set()
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": f"Basic {KEY}"},
            {"Authorization": "Bearer"},
            {"X-API-Key": KEY[:-1]},
            {"X-API-Key": "x" * 10_000},
        ):
            response = await http.get("/api/jobs", headers=headers)
            is_problem(response, 401, "not_authenticated")
            assert response.headers["www-authenticate"].startswith("Bearer")
            texts.add(response.text)
        assert len(texts) == 1
        is_problem(await http.get("/api/nothing"), 401, "not_authenticated")
        assert (await http.get("/api/jobs", headers={"X-API-Key": KEY})).status_code == 200
        for path in ("/health/live", "/health/ready", "/metrics"):
            assert (await http.get(path)).status_code == 200


async def test_what_is_not_there_is_a_problem_as_well(sqlite_gateway: Gateway) -> None:
    http = sqlite_gateway.http
    is_problem(await http.get("/api/nothing"), 404, "not_found")
    refused = await http.delete("/api/artifacts")
    is_problem(refused, 405, "method_not_allowed")
    assert refused.headers["allow"] == "POST"
    is_problem(await http.get("/api/jobs/job_unknown"), 404, "no_such_job")
    is_problem(await http.get("/api/jobs/job_unknown/events"), 404, "no_such_job")
    is_problem(await http.post("/api/jobs/job_unknown/cancel"), 404, "no_such_job")
    is_problem(await http.get("/api/artifacts/art_unknown"), 404, "no_such_artifact")
    for number in (99, 2**64, 10**100):
        is_problem(await http.post(f"/api/dead/{number}/retry"), 404, "no_such_dead_letter")
    is_problem(await http.get("/api/jobs?limit=0"), 422, "invalid_request")
    is_problem(await http.get("/api/jobs?state=sleeping"), 422, "invalid_request")


async def test_a_path_with_a_nul_names_nothing_on_either_database(gateway: Gateway) -> None:
    """PostgreSQL takes no NUL in a text."""
    for path in ("jobs/%00", "jobs/job_%00/events", "artifacts/art_%00", "models/a%00b"):
        is_problem(await gateway.http.get(f"/api/{path}"), 404, "not_found")
    is_problem(await gateway.http.post("/api/jobs/job_%00/cancel"), 404, "not_found")


async def test_only_loopback_names_are_answered_on_loopback(sqlite_gateway: Gateway) -> None:
    http = sqlite_gateway.http
    for host in ("evil.example", "evil.example:8400", "127.0.0.1.evil.example", "", "[::1", "10.0.0.1"):
        is_problem(await http.get("/api/jobs", headers={"Host": host}), 421, "wrong_host")
    for host in ("localhost:8400", "LOCALHOST", "127.0.0.1", "[::1]:8400"):
        assert (await http.get("/api/jobs", headers={"Host": host})).status_code == 200


async def test_other_sites_pages_are_refused(sqlite_gateway: Gateway) -> None:
    http = sqlite_gateway.http
    own = f"http://{http.base_url.netloc.decode()}"
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://[::1"},
        {"Origin": "http://localhost:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": own, "Sec-Fetch-Site": "same-site"},
    ):
        is_problem(await http.post("/api/artifacts", json=REQUEST, headers=headers), 403, "cross_site")
    same = {"Origin": own, "Sec-Fetch-Site": "same-origin"}
    assert (await http.post("/api/artifacts", json=REQUEST, headers=same)).status_code == 202
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert (await http.get("/api/jobs", headers=link)).status_code == 200
    assert "access-control-allow-origin" not in (await http.get("/api/jobs")).headers


async def test_a_bug_gets_an_id_and_shows_no_traceback(
    sqlite_gateway: Gateway, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_gateway.service.health, "troubles", lambda: 1 / 0)
    problem = is_problem(await sqlite_gateway.http.get("/api/status"), 500, "internal")
    assert problem["error_id"].startswith("err_")
    assert "ZeroDivision" not in json.dumps(problem)
    logged = capfd.readouterr().out
    assert problem["error_id"] in logged
    assert "ZeroDivisionError" in logged


async def test_requests_are_counted_by_template(sqlite_gateway: Gateway) -> None:
    http = sqlite_gateway.http
    await http.get("/api/jobs/job_1")
    await http.get("/api/jobs/job_2")
    await http.get("/never/heard/of")
    shown = (await http.get("/metrics")).text
    assert 'route="/api/jobs/{job_id}",status="404"' in shown
    assert "job_1" not in shown
    assert "heard" not in shown
    assert 'hone_http_request_seconds_bucket{le="0.1",route="/api/jobs/{job_id}"}' in shown


async def test_the_api_describes_itself(sqlite_gateway: Gateway) -> None:
    http = sqlite_gateway.http
    openapi = (await http.get("/openapi.json")).json()
    post = openapi["paths"]["/api/artifacts"]["post"]
    assert post["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/GenerateRequest")
    put = openapi["paths"]["/api/routes"]["put"]
    assert set(put["requestBody"]["content"]) == {"application/yaml", "application/json"}
    shown = openapi["components"]["schemas"]["GenerateRequest"]
    assert {"context_text", "options", "budget"} <= set(shown["properties"])
    assert shown["examples"][0]["type"] == "mermaid_erd"
    assert shown["properties"]["type"]["enum"] == [each.value for each in ArtifactType]
    for path, operations in openapi["paths"].items():
        for method, operation in operations.items():
            content = operation["responses"]["default"]["content"]
            assert "application/problem+json" in content, (path, method)
    asyncapi = (await http.get("/asyncapi.json")).json()
    assert asyncapi["asyncapi"].startswith("3")
    assert "GenerateArtifact" in json.dumps(asyncapi)


async def test_answers_that_many_ask_for_at_once_all_come(gateway: Gateway) -> None:
    responses = await asyncio.gather(*(gateway.post() for _ in range(50)))
    assert {response.status_code for response in responses} == {202}
    listed = (await gateway.http.get("/api/jobs?limit=200&state=queued")).json()["jobs"]
    assert {job["id"] for job in listed} == {response.json()["job_id"] for response in responses}
    assert listed == sorted(listed, key=lambda job: job["id"], reverse=True)
    assert len((await gateway.http.get("/api/jobs?limit=3")).json()["jobs"]) == 3
