"""`hone generate`: what it sends, and what it tells of the attempts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from calling_hone import GENERATE, Hone
from gateway_stand_in import ARTIFACT, DONE, Gateway, job, sse
from starlette.responses import JSONResponse

from hone.cli.commands.generate import _SUFFIXES
from hone_generator.artifacts import KINDS

ATTEMPTS = [
    {"number": 1, "model": "ollama:a", "kind": "first", "outcome": "answered", "score": 42},
    {"number": 2, "model": "ollama:a", "kind": "repair", "outcome": "answered", "score": 55},
    {"number": 3, "model": "ollama:b", "kind": "first", "outcome": "failed", "error": "no answer in 60 s"},
    {
        "number": 4,
        "model": "gemini:c",
        "kind": "first",
        "outcome": "answered",
        "score": 91,
        "cost_usd": 0.0021,
    },
]
TOLD = """\
  attempt 1: ollama:a: 42 of 100
  attempt 2: ollama:a (repair): 55 of 100
  attempt 3: ollama:b: failed, no answer in 60 s
  attempt 4: gemini:c: 91 of 100, 0.0021 USD
"""


def test_the_turns_of_a_search_and_its_attempts_are_told(gateway: Gateway, hone: Hone) -> None:
    turns = [
        sse("progress", {"stage": "writing"}, 1),
        sse("progress", {"stage": "repairing", "message": "line 3: no key"}, 2),
        sse("progress", {"stage": "restarting", "message": "it broke off; now gemini:c"}, 3),
    ]
    gateway.streams = [[*turns, sse("done", DONE, 4)]]
    gateway.answers["/api/artifacts/a-1"] = lambda _: JSONResponse(ARTIFACT | {"attempts": ATTEMPTS})
    told = hone(*GENERATE).err
    assert "repairing, line 3: no key\nrestarting, it broke off; now gemini:c\n" in told
    assert TOLD in told


def test_a_failure_lists_what_was_tried(gateway: Gateway, hone: Hone) -> None:
    error = {"title": "No model gave an answer", "detail": "start Ollama", "attempts": [*ATTEMPTS, 7]}
    gateway.streams = [[sse("done", job("failed", error=error), 1)]]
    result = hone(*GENERATE)
    assert (result.code, result.out) == (1, "")
    assert (
        result.err == f"{TOLD}hone: No model gave an answer; what was tried, and what to do, stands above\n"
    )
    gateway.answers["/api/jobs/j-1"] = lambda _: JSONResponse(job("failed", error=error))
    assert TOLD in hone("jobs", "show", "j-1").out


def test_attempts_that_ended_alike_are_one_line(gateway: Gateway, hone: Hone) -> None:
    alike = [{"number": n, "model": "ollama:a", "outcome": "failed", "error": "no answer"} for n in (1, 2, 3)]
    many = [
        {"number": n, "model": f"ollama:{n}", "outcome": "skipped", "error": "busy"} for n in range(4, 104)
    ]
    error = {"title": "No model gave an answer", "attempts": [*alike, *many]}
    gateway.streams = [[sse("done", job("failed", error=error), 1)]]
    lines = hone(*GENERATE).err.splitlines()
    assert lines[0] == "  attempts 1 to 3: ollama:a: failed, no answer"
    assert lines[1] == "  attempt 4: ollama:4: skipped, busy"
    assert lines[-2] == "  and 61 more: --json has them all"


def test_context_options_and_budget_are_sent(gateway: Gateway, hone: Hone, tmp_path: Path) -> None:
    gateway.streams = [[sse("done", DONE, 1)]]
    context = tmp_path / "words.md"
    context.write_text("We say patron.")
    more = ("--context-file", str(context), "--option", "dialect=sqlite", "--option", "a=b=c")
    assert hone(*GENERATE, *more, "--deadline", "1m30s", "--max-cost", "0.5", "--max-tokens", "9").code == 0
    sent = gateway.body("/api/artifacts")
    assert sent["context_text"] == "We say patron."
    assert sent["options"] == {"dialect": "sqlite", "a": "b=c"}
    assert sent["budget"] == {"deadline_s": 90, "max_cost_usd": 0.5, "max_tokens": 9}


@pytest.mark.parametrize(
    "more",
    [
        ("--option", "dialect"),
        ("--option", "=x"),
        ("--deadline", "soon"),
        ("--deadline", "0"),
        ("--deadline", "1s" * 99),
        ("--max-cost", "-1"),
        ("--context-file", "/none/there"),
        ("-o", "/none/there/x"),
    ],
)
def test_a_wrong_option_is_one_line(gateway: Gateway, hone: Hone, more: tuple[str, ...]) -> None:
    gateway.streams = [[sse("done", DONE, 1)]]
    result = hone(*GENERATE, *more)
    assert (result.code, result.out) == (2, "")
    assert result.err.splitlines()[-1].startswith("hone: ")


def test_each_type_is_written_with_the_suffix_that_it_has() -> None:
    assert {kind.type: _SUFFIXES[kind.type] for kind in KINDS.values()} == {
        kind.type: kind.suffix for kind in KINDS.values()
    }


@pytest.mark.parametrize(
    ("artifact_type", "name"),
    [
        ("openapi", "openapi.yaml"),
        ("mermaid_erd", "mermaid_erd.mmd"),
        ("newer", "newer.txt"),
        ("../x", "artifact.txt"),
    ],
)
def test_into_a_folder_it_is_written_under_its_types_name(
    gateway: Gateway, hone: Hone, tmp_path: Path, artifact_type: str, name: str
) -> None:
    gateway.streams = [[sse("done", DONE, 1)]]
    gateway.answers["/api/artifacts/a-1"] = lambda _: JSONResponse(ARTIFACT | {"type": artifact_type})
    assert hone(*GENERATE, "-o", str(tmp_path)).code == 0
    assert (tmp_path / name).read_text() == ARTIFACT["content"]


def test_what_is_no_file_is_written_to_and_never_replaced(
    gateway: Gateway, hone: Hone, tmp_path: Path
) -> None:
    pipe, link, file = tmp_path / "pipe", tmp_path / "link", tmp_path / "file"
    os.mkfifo(pipe)
    link.symlink_to(file)
    file.write_text("before")
    gateway.streams = [[sse("done", DONE, 1)], [sse("done", DONE, 1)]]
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert hone(*GENERATE, "-o", str(pipe)).code == 0
    assert os.read(reader, 10_000).decode() == ARTIFACT["content"]
    os.close(reader)
    assert hone(*GENERATE, "-o", str(link)).code == 0
    assert (pipe.is_fifo(), link.is_symlink(), file.read_text()) == (True, True, ARTIFACT["content"])
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "link", "pipe"]
