"""`hone hub`: models found, looked into, brought here with progress, listed, and taken away."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from calling_hone import Hone
from gateway_stand_in import Gateway, job, problem, sse
from starlette.responses import JSONResponse

NAME = "acme/tiny-GGUF"
FOUND = {
    "id": NAME,
    "downloads": 12_300,
    "likes": 4,
    "updated_at": "2026-11-01T00:00:00Z",
    "licence": "mit",
    "gated": True,
    "private": False,
    "formats": ["gguf"],
    "architecture": "llama",
    "parameters": 7_600_000_000,
    "verdict": "runs",
    "reason": "GGUF of the architecture llama",
}
MEMORY = {"context_tokens": 8192, "total_bytes": 5_400_000_000}
REPORT: dict[str, Any] = {
    "id": NAME,
    "revision": "0123456789abcdef",
    "licence": "mit",
    "gated": False,
    "architecture": "llama",
    "parameters": 7_600_000_000,
    "layers": 28,
    "heads": 28,
    "kv_heads": 4,
    "context_length": 32768,
    "chat_template": "{{ x }}",
    "verdict": "runs",
    "reason": "GGUF of the architecture llama",
    "groups": [
        {
            "quant": "Q2_K",
            "files": [{}],
            "size_bytes": 3_000_000_000,
            "memory": None,
            "fits": "",
            "problem": "cut short",
        },
        {
            "quant": "Q4_K_M",
            "files": [{}, {}],
            "size_bytes": 4_680_000_000,
            "memory": MEMORY,
            "fits": "a card",
            "problem": "",
        },
    ],
    "projectors": [{"path": "mmproj.gguf"}],
    "matrices": [],
    "places": [{"kind": "gpu", "name": "a card", "total_bytes": 8_000_000_000, "free_bytes": 7_000_000_000}],
    "chosen": 1,
    "reasons": ["Q4_K_M fits into a card"],
    "warnings": ["no template"],
}
ADDED = {
    "name": "tiny:q4_k_m",
    "references": ["ollama:tiny:q4_k_m"],
    "source": {"kind": "huggingface", "repository": NAME},
    "licence": "mit",
    "quant": "Q4_K_M",
    "size_bytes": 4_680_000_000,
    "memory": MEMORY,
    "sha256": "ab" * 32,
    "warnings": ["llama.cpp does not normalise text"],
    "added_at": "2026-11-26T00:00:00Z",
}


def step(stage: str, message: str, done: int = 0, total: int = 0) -> dict[str, Any]:
    return {"kind": "progress", "stage": stage, "message": message, "done": done, "total": total}


def adding(gateway: Gateway, *events: dict[str, Any], ends: dict[str, Any] | None = None) -> None:
    gateway.answers["/api/hub/models"] = lambda _: JSONResponse({"job_id": "j-1"}, 202)
    done = ends or job("succeeded", kind="add", result=ADDED)
    gateway.streams = [
        [sse("progress", event, number) for number, event in enumerate(events)] + [sse("done", {"job": done})]
    ]


def test_a_search_shows_each_model_with_its_verdict(gateway: Gateway, hone: Hone) -> None:
    gateway.answers["/api/huggingface/search"] = lambda _: JSONResponse({"models": [FOUND]})
    shown = hone("hub", "search", "tiny", "gguf", "--limit", "5")
    heading, row = shown.out.splitlines()
    assert heading.split() == ["id", "downloads", "likes", "updated", "licence", "size", "verdict", "reason"]
    assert row.split()[:5] == [NAME, "12.3k", "4", "2026-11-01", "mit,"]
    assert "gated" in row and "7.6B" in row and row.endswith("runs     GGUF of the architecture llama")
    assert json.loads(hone("hub", "search", "tiny", "--json").out) == {"models": [FOUND]}
    gateway.answers["/api/huggingface/search"] = lambda _: JSONResponse({"models": []})
    assert "nothing has such a name" in hone("hub", "search", "tiny").err


def test_a_repository_is_shown_with_what_would_be_chosen_and_why(gateway: Gateway, hone: Hone) -> None:
    gateway.answers[f"/api/huggingface/models/{NAME}"] = lambda _: JSONResponse(REPORT)
    out = hone("hub", "inspect", NAME, "--context", "8192", "--quant", "auto").out
    assert "28 layers, 28 heads, 4 key-value heads" in out and "7.00 GB free of 8.00 GB" in out
    lines = out.splitlines()
    chosen = next(line for line in lines if line.startswith("*"))
    assert chosen.split() == ["*", "Q4_K_M", "2", "4.68", "GB", "5.40", "GB", "a", "card"]
    assert "cut short" in next(line for line in lines if "Q2_K" in line)
    assert "for images: mmproj.gguf" in out
    assert lines[-2:] == ["- Q4_K_M fits into a card", "warning: no template"]
    assert json.loads(hone("hub", "inspect", NAME, "--json").out) == REPORT
    gateway.answers["/api/huggingface/models/a/none"] = lambda _: problem(
        404, "Repository missing", "check its name"
    )
    assert hone("hub", "inspect", "a/none") == (3, "", "hone: Repository missing: check its name\n")


def test_a_model_is_brought_with_bytes_speed_and_time_left(gateway: Gateway, hone: Hone) -> None:
    adding(
        gateway,
        step("look", NAME),
        step("download", "tiny-Q4_K_M.gguf, 37.0 MB/s, 1:35 left", 1_170_000_000, 4_680_000_000),
        step("prove", "ollama: tiny:q4_k_m", 0, 4_680_000_000),
    )
    shown = hone("hub", "add", NAME, "--name", "tiny:q4_k_m", "--to", "both", "--context", "4096", "--force")
    assert shown.code == 0, shown.err
    assert "download: 1.17 GB of 4.68 GB (25 %), tiny-Q4_K_M.gguf, 37.0 MB/s, 1:35 left" in shown.err
    assert "prove, ollama: tiny:q4_k_m" in shown.err
    assert "served as  ollama:tiny:q4_k_m" in shown.out and "warning: llama.cpp does not" in shown.out
    assert "--model ollama:tiny:q4_k_m" in shown.err
    assert gateway.body("/api/hub/models") == {
        "source": NAME,
        "quant": "auto",
        "name": "tiny:q4_k_m",
        "context_tokens": 4096,
        "replace": False,
        "force": True,
        "destinations": ["ollama", "llamacpp"],
    }


def test_a_log_gets_a_line_of_a_download_now_and_then(gateway: Gateway, hone: Hone) -> None:
    total = 4_680_000_000
    adding(gateway, *(step("download", f"tiny.gguf, {n} left", n * total // 50, total) for n in range(51)))
    told = [line for line in hone("hub", "add", NAME).err.splitlines() if line.startswith("download")]
    assert len(told) < 6, told
    assert told[0] == "download, tiny.gguf, 0 left" and "(100 %)" in told[-1]


def test_only_downloading_says_so_and_auto_says_nothing_of_destinations(gateway: Gateway, hone: Hone) -> None:
    adding(gateway)
    assert json.loads(hone("hub", "add", NAME, "--json").out)["result"] == ADDED
    assert "destinations" not in gateway.body("/api/hub/models")
    gateway.forget()
    adding(gateway)
    hone("hub", "add", NAME, "--to", "none")
    assert gateway.body("/api/hub/models")["destinations"] == []


def test_a_path_is_sent_whole_and_one_that_is_not_there_is_told(
    gateway: Gateway, hone: Hone, tmp_path: Path
) -> None:
    file, template = tmp_path / "my model.gguf", tmp_path / "t.gotmpl"
    file.write_bytes(b"GGUF")
    template.write_text("{{ .Prompt }}")
    adding(gateway)
    assert hone("hub", "add", str(file), "--template", str(template)).code == 0
    sent = gateway.body("/api/hub/models")
    assert sent["source"] == str(file) and sent["template"] == "{{ .Prompt }}"
    for nothing in (str(tmp_path / "none.gguf"), "~nobody-of-this-name/x", "", " ", "/" + "x" * 5000):
        wrong = hone("hub", "add", nothing)
        assert wrong.code == 2 and len(wrong.err.splitlines()) == 1, wrong.err
        assert "unexpected" not in wrong.err
    for nothing in ("https://huggingface.co/acme/x", "a/b/c", "../../keys", ""):
        assert "write owner/name" in hone("hub", "inspect", nothing).err
    template.write_text(" ")
    assert "is empty" in hone("hub", "add", str(file), "--template", str(template)).err
    gateway.forget()
    adding(gateway)
    hone("hub", "add", "ollama:qwen2.5-coder:7b")
    assert gateway.body("/api/hub/models")["source"] == "ollama:qwen2.5-coder:7b"


def test_an_addition_that_fails_says_why_in_one_line(gateway: Gateway, hone: Hone) -> None:
    error = {"title": "Too large for machine", "detail": "it takes 40 GB; choose a smaller one", "code": "x"}
    adding(gateway, ends=job("failed", kind="add", error=error))
    result = hone("hub", "add", NAME)
    assert (result.code, result.out) == (1, "")
    assert result.err.splitlines()[-1] == "hone: Too large for machine: it takes 40 GB; choose a smaller one"


def test_added_models_are_listed_and_taken_away(gateway: Gateway, hone: Hone) -> None:
    bare = ADDED | {"name": "other", "references": []}
    gateway.answers["/api/hub/models"] = lambda _: JSONResponse({"models": [ADDED, bare]})
    _, first, second = hone("hub", "ls").out.splitlines()
    assert first.split() == [
        "tiny:q4_k_m",
        "Q4_K_M",
        "4.68",
        "GB",
        "5.40",
        "GB",
        "2026-11-26",
        NAME,
        "ollama:tiny:q4_k_m",
    ]
    assert second.endswith("downloaded only")
    removed = job("succeeded", kind="remove", result={"name": "tiny:q4_k_m", "freed_bytes": 4_680_000_000})
    gateway.answers["/api/hub/models/tiny:q4_k_m"] = lambda _: JSONResponse({"job_id": "j-1"}, 202)
    gateway.streams = [[sse("done", {"job": removed})]]
    assert hone("hub", "rm", "tiny:q4_k_m").out == "tiny:q4_k_m: removed, 4.68 GB freed\n"
    used = job("failed", kind="remove", error={"title": "Model in use", "detail": "mermaid_erd uses it"})
    gateway.streams = [[sse("done", {"job": used})]]
    assert hone("hub", "rm", "tiny:q4_k_m") == (1, "", "hone: Model in use: mermaid_erd uses it\n")


@pytest.mark.parametrize("evil", ["\x1b[2Jx", "a\nb", "x" * 5000])
def test_a_hubs_words_cannot_take_over_the_terminal(gateway: Gateway, hone: Hone, evil: str) -> None:
    gateway.answers["/api/huggingface/search"] = lambda _: JSONResponse(
        {"models": [FOUND | {"id": evil, "reason": evil}]}
    )
    gateway.answers[f"/api/huggingface/models/{NAME}"] = lambda _: JSONResponse(
        REPORT | {"reasons": [evil], "id": evil}
    )
    for result in (hone("hub", "search", "x"), hone("hub", "inspect", NAME)):
        assert (
            result.code == 0
            and "\x1b" not in result.out
            and all(len(line) < 2200 for line in result.out.splitlines())
        )


@pytest.mark.parametrize("broken", [{"models": 3}, {"models": [3]}, {}])
def test_an_answer_that_is_none_is_told(gateway: Gateway, hone: Hone, broken: dict[str, Any]) -> None:
    gateway.answers["/api/huggingface/search"] = lambda _: JSONResponse(broken)
    assert hone("hub", "search", "x").code == 5
