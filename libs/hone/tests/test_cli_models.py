"""`hone models` and `hone train`: versions, where they stand, and moving them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from calling_hone import Hone
from gateway_stand_in import EVALUATION, ROUTE, Gateway, job, problem, sse
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

NAME = "openai+http://h:1/v1:team/model"
VERSIONS = [
    {"version": 1, "uri": "file:///x.gguf", "aliases": ["champion"], "size_bytes": 2_800_000, "state": "champion"},
    {
        "version": 2, "name": "v2_20260101T000000", "uri": "", "sha256": "ab", "aliases": [], "size_bytes": 0,
        "state": "canary", "method": "few_shot", "base_version": 1, "dataset_digest": "cd" * 32,
        "created_at": "2026-01-01T00:00:00Z",
    },
]  # fmt: skip
MOVED = {
    "model": "hone-starter",
    "artifact_type": "mermaid_erd",
    "champion": 1,
    "champion_name": "v1_x",
    "was": 2,
    "reasons": ["by hand"],
}


def test_a_model_is_shown_with_its_versions_shares_and_evaluations(gateway: Gateway, hone: Hone) -> None:
    model = {"name": "llamacpp:hone-starter", "versions": VERSIONS}
    route = ROUTE | {"canary": {"version": 2, "share": 0.1}}
    gateway.answers["/api/models/hone-starter"] = lambda _: JSONResponse(model)
    gateway.answers["/api/routes"] = lambda _: JSONResponse({"routes": {"mermaid_erd": route}})
    result = hone("models", "show", "hone-starter")
    assert result.code == 0, result.err
    heading, first, second, blank, _, evaluation = result.out.splitlines()
    assert heading.split() == [
        "version", "name", "state", "aliases", "method", "from", "dataset", "size_bytes", "created_at", "uri",
    ]  # fmt: skip
    assert first.split()[:3] == ["1", "champion", "champion"]
    assert second.split() == [
        "2", "v2_20260101T000000", "canary,", "10%", "of", "mermaid_erd", "few_shot", "1", "cdcdcdcdcdcd", "0",
        "2026-01-01T00:00:00Z",
    ]  # fmt: skip
    assert blank == ""
    assert "rejected  worse than the champion beyond doubt; quality 0.41 after 0.60" in evaluation
    shown = json.loads(hone("models", "show", "hone-starter", "--json").out)
    assert shown["canaries"] == [{"route": "mermaid_erd", "version": 2, "share": 0.1}]
    assert shown["evaluations"] == [EVALUATION]


def test_a_version_is_promoted_and_a_champion_taken_back_in_one_command(gateway: Gateway, hone: Hone) -> None:
    gateway.answers[f"/api/models/{NAME}/promote"] = lambda _: JSONResponse(MOVED)
    gateway.answers[f"/api/models/{NAME}/rollback"] = lambda _: JSONResponse(MOVED)
    promoted = hone("models", "promote", NAME, "v1_x", "--type", "mermaid_erd")
    assert promoted.out == "hone-starter: v1_x (version 1) is champion of mermaid_erd, was version 2\n"
    assert gateway.body(f"/api/models/{NAME}/promote") == {"version": "v1_x", "type": "mermaid_erd"}
    back = hone("models", "rollback", NAME, "--to", "1", "--reason", "it forgets the fines")
    assert back.out == promoted.out
    assert back.err.startswith("  by hand\ndone in ")
    assert gateway.body(f"/api/models/{NAME}/rollback") == {"to": "1", "reason": "it forgets the fines"}
    told = json.loads(hone("models", "rollback", NAME, "--json").out)
    assert told.pop("took_ms") >= 0
    assert told == MOVED


def test_a_rollback_whose_answer_is_lost_is_not_sent_again(gateway: Gateway, hone: Hone) -> None:
    def broken(_: Request) -> Response:
        raise ConnectionResetError

    gateway.answers["/api/models/m/rollback"] = broken
    assert hone("models", "rollback", "m").code == 5
    assert len(gateway.headers("/api/models/m/rollback")) == 1
    gateway.answers["/api/models/m/rollback"] = lambda _: problem(409, "No earlier champion", "promote one")
    assert hone("models", "rollback", "m") == (1, "", "hone: No earlier champion: promote one\n")


def test_evaluations_and_the_audit_trail(gateway: Gateway, hone: Hone) -> None:
    heading, row = hone("models", "evaluations", "hone-starter", "--version", "2").out.splitlines()
    assert heading.split() == ["created_at", "type", "challenger", "champion", "verdict", "reasons"]
    assert row.split()[:5] == ["2026-01-01T00:00:00Z", "mermaid_erd", "2", "1", "rejected"]
    entry = {
        "id": 7, "occurred_at": "2026-01-01T00:00:00Z", "actor": "key ci", "action": "rolled back",
        "subject": "model:x",
        "detail": {"why": ["worse\x1b[31m", "slow"], "was": None, "now": {"model": "ollama:a", "at": 6}, "to": 3},
    }  # fmt: skip
    queries: list[str] = []

    def audit(request: Request) -> Response:
        queries.append(request.url.query)
        return JSONResponse({"entries": [entry]})

    gateway.answers["/api/audit"] = audit
    told = hone("models", "audit", "--limit", "3", "--subject", "model:", "--before", "9").out.splitlines()[1]
    assert [cell.strip() for cell in told.split("  ") if cell] == [
        "7", "2026-01-01T00:00:00Z", "key ci", "rolled back", "model:x",
        "why worse[31m; slow, was none, now ollama:a, to 3",
    ]  # fmt: skip
    assert queries == ["subject=model%3A&before=9&limit=3"]


def test_the_registry_is_written_to_a_file_and_read_from_one(
    gateway: Gateway, hone: Hone, tmp_path: Path
) -> None:
    asked: list[tuple[str, str]] = []

    def registry(request: Request) -> Response:
        asked.append((request.method, request.url.query))
        if request.method == "GET":
            return PlainTextResponse("models: []  # ünï\n", media_type="application/yaml")
        return JSONResponse({"dry_run": True, "changes": ["model x: new"]})

    gateway.answers["/api/registry"] = registry
    assert hone("models", "export").out == "models: []  # ünï\n"
    file = tmp_path / "registry.yaml"
    written = hone("models", "export", "-o", str(file))
    assert (written.out, written.err, file.read_text()) == ("", f"written to {file}\n", "models: []  # ünï\n")
    assert hone("models", "import", str(file), "--dry-run") == (
        0, "model x: new\n", "nothing was changed; without --dry-run it is\n",
    )  # fmt: skip
    assert asked[-1] == ("PUT", "dry_run=true")
    assert gateway.asked[-1][3] == file.read_bytes()
    nowhere = hone("models", "export", "-o", str(tmp_path / "no" / "where.yaml"))
    assert (nowhere.code, len(nowhere.err.splitlines())) == (2, 1)


RESULT = {
    "verdict": "canary",
    "model": "llamacpp:hone-starter",
    "version": 2,
    "name": "v2_20260101",
    "artifact_type": "mermaid_erd",
    "reasons": ["better than the champion beyond doubt"],
    "figures": EVALUATION["figures"],
}


def test_a_run_ends_with_its_verdict_and_figures(gateway: Gateway, hone: Hone) -> None:
    done = job("succeeded", kind="train", result=RESULT)
    gateway.streams = [
        [sse("progress", {"stage": "evaluating", "done": 3, "total": 9}, 1), sse("done", done, 2)]
    ]
    result = hone(
        "train", "-t", "mermaid_erd", "--method", "full", "--dataset", "ab" * 32, "--set", "epochs=3"
    )
    assert result.out == "canary llamacpp:hone-starter v2_20260101\n"
    assert result.err.splitlines() == [
        "evaluating: 3 of 9",
        "  better than the champion beyond doubt",
        "  pairs 20",
        "  quality -0.19 (-0.3 to -0.1)",
    ]
    assert gateway.body("/api/train") == {
        "type": "mermaid_erd", "method": "full", "dataset": "ab" * 32, "settings": {"epochs": 3},
            "origins": {"epochs": "set"},
    }  # fmt: skip
    failed = job("failed", error={"title": "Too few examples", "detail": "three are not enough"})
    gateway.streams = [[sse("done", failed, 1)]]
    result = hone("train", "-t", "mermaid_erd", "--method", "few_shot")
    assert result == (1, "", "hone: Too few examples: three are not enough\n")


def test_a_file_to_train_on_is_sent_as_its_uri(
    gateway: Gateway, hone: Hone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a b.jsonl").touch()
    for given, sent in (
        ("a b.jsonl", f"{tmp_path.as_uri()}/a%20b.jsonl"),
        ("s3://team/a.jsonl", "s3://team/a.jsonl"),
        ("abcdef12", "abcdef12"),
    ):
        gateway.asked.clear()
        gateway.streams = [[sse("done", job("succeeded", result=RESULT), 1)]]
        assert hone("train", "-t", "mermaid_erd", "--method", "few_shot", "--dataset", given).code == 0
        assert gateway.body("/api/train")["dataset"] == sent
    gateway.asked.clear()
    assert hone("train", "-t", "t", "--method", "few_shot", "--dataset", "nowhere.jsonl").code == 2
    assert gateway.asked == []


@pytest.mark.parametrize(
    "figures", [None, 7, {"quality": {"value": None}}, {"a": {"b": {"c": [1]}}, "d": True}]
)
def test_odd_figures_are_no_error(gateway: Gateway, hone: Hone, figures: Any) -> None:
    gateway.streams = [[sse("done", job("succeeded", result=RESULT | {"figures": figures}), 1)]]
    result = hone("train", "-t", "mermaid_erd", "--method", "few_shot")
    assert (result.code, result.err) == (0, "  better than the champion beyond doubt\n")
