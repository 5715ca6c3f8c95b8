"""`hone routes` against a gateway over real HTTP: what is printed where, and the exit code."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from calling_hone import Hone
from gateway_stand_in import ROUTE, Gateway, problem
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

AFTER = ROUTE | {
    "model": "ollama:c",
    "threshold": 75,
    "fallbacks": [],
    "version": 9,
    "limits": {"connect_s": 5.0, "first_token_s": 60.0, "total_s": 30.0},
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "routes.yaml"
    made.write_text("default:  # ünï\n  model: ollama:c\n")
    return made


def applied(*changes: dict[str, Any]) -> Callable[[Request], Response]:
    return lambda _: JSONResponse({"dry_run": False, "changes": changes, "table": {"routes": {}}})


def test_the_table_is_shown_a_line_a_route(gateway: Gateway, hone: Hone) -> None:
    heading, route = hone("routes", "show").out.splitlines()
    assert heading.split() == ["type", "model", "reading", "fallbacks", "threshold", "cloud", "set", "by"]
    assert route.split() == [
        "mermaid_erd", "llamacpp:hone-starter", "passages", "ollama:a,", "ollama:b", "60", "gemini:x", "user",
    ]  # fmt: skip
    assert json.loads(hone("routes", "show", "mermaid_erd", "--json").out)["routes"].keys() == {"mermaid_erd"}
    result = hone("routes", "show", "poem")
    assert (result.code, result.err) == (3, "hone: no route for poem; there are: mermaid_erd\n")


def test_a_route_that_is_off_says_so(gateway: Gateway, hone: Hone) -> None:
    off = {"routes": {"openapi": {"model": "ollama:a", "enabled": False}}}
    gateway.answers["/api/routes"] = lambda _: JSONResponse(off)
    assert "off (ollama:a)" in hone("routes", "show").out


def test_applying_prints_what_changed(gateway: Gateway, hone: Hone, file: Path) -> None:
    gateway.answers["/api/routes"] = applied(
        {"artifact_type": "mermaid_erd", "before": ROUTE, "after": AFTER},
        {"artifact_type": "default", "before": None, "after": ROUTE},
        {"artifact_type": "openapi", "before": ROUTE, "after": None},
        {"artifact_type": "sql_ddl", "before": ROUTE, "after": ROUTE | {"version": 2}},
    )
    result = hone("routes", "apply", str(file))
    assert result == (
        0,
        "mermaid_erd: model llamacpp:hone-starter → ollama:c, threshold 60 → 75, "
        "fallbacks ollama:a, ollama:b → none, limits.total_s 120.0 → 30.0\n"
        "default: new, llamacpp:hone-starter\n"
        "openapi: removed, was llamacpp:hone-starter\n"
        "sql_ddl: a new version of a model\n",
        "",
    )
    ((method, _, headers, body),) = gateway.asked
    assert (method, body.decode()) == ("PUT", file.read_text())
    assert headers["content-type"] == "application/yaml"


def test_a_dry_run_asks_for_one(gateway: Gateway, hone: Hone, file: Path) -> None:
    queries: list[str] = []

    def answer(request: Request) -> Response:
        queries.append(request.url.query)
        return applied({"artifact_type": "openapi", "before": None, "after": ROUTE})(request)

    gateway.answers["/api/routes"] = answer
    result = hone("routes", "apply", str(file), "--dry-run")
    assert "openapi: new" in result.out
    assert "nothing was changed" in result.err
    assert queries == ["dry_run=true"]


def test_a_file_that_changes_nothing_says_so(gateway: Gateway, hone: Hone, file: Path) -> None:
    gateway.answers["/api/routes"] = applied()
    assert hone("routes", "apply", str(file)) == (0, "", "nothing changes: the routes are as the file says\n")


def refused(faults: Any) -> Callable[[Request], Response]:
    body = {"title": "Not applied", "status": 422, "detail": "line 3: …", "faults": faults}
    return lambda _: JSONResponse(body, 422, media_type="application/problem+json")


def test_each_fault_has_the_files_name_and_its_line(gateway: Gateway, hone: Hone, file: Path) -> None:
    faults = [
        {"line": 3, "key": "openapi.modle", "reason": "no key here; did you mean model?"},
        {"line": 9, "key": "", "reason": "this is \x1b[31mnot YAML"},
    ]
    gateway.answers["/api/routes"] = refused(faults)
    result = hone("routes", "apply", str(file))
    assert result == (
        1,
        "",
        f"{file}:3: openapi.modle: no key here; did you mean model?\n"
        f"{file}:9: this is [31mnot YAML\n"
        f"hone: {file} is not applied, it has 2 faults; the routes are as they were\n",
    )
    as_json = hone("routes", "apply", str(file), "--json")
    assert (as_json.code, json.loads(as_json.out)) == (1, {"faults": faults})


@pytest.mark.parametrize("faults", [None, [], 7, [1]])
def test_a_refusal_without_faults_is_told_as_it_is(
    gateway: Gateway, hone: Hone, file: Path, faults: Any
) -> None:
    gateway.answers["/api/routes"] = refused(faults)
    assert hone("routes", "apply", str(file)) == (2, "", "hone: Not applied: line 3: …\n")


def test_json_and_stdin_are_taken_too(
    gateway: Gateway, hone: Hone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.answers["/api/routes"] = applied()
    as_json = tmp_path / "routes.json"
    as_json.write_text("{}")
    hone("routes", "apply", str(as_json))
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"{}")))
    hone("routes", "apply", "-")
    types = [headers["content-type"] for headers in gateway.headers("/api/routes")]
    assert types == ["application/json", "application/yaml"]
    gateway.answers["/api/routes"] = refused([{"line": 1, "key": "a", "reason": "b"}])
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a")))
    assert hone("routes", "apply", "-").err.startswith("stdin:1: a: b\n")


def test_what_cannot_be_sent_is_one_line(gateway: Gateway, hone: Hone, tmp_path: Path) -> None:
    assert hone("routes", "apply", str(tmp_path / "none.yaml")).code == 2
    gateway.answers["/api/routes"] = lambda _: problem(503, "A service does not answer", "see `hone status`")
    made = tmp_path / "routes.yaml"
    made.write_text("{}")
    result = hone("routes", "apply", str(made))
    assert (result.code, len(result.err.splitlines())) == (5, 1)
