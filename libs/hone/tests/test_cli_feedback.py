"""`hone feedback`: what is sent, and what a person is told of it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from calling_hone import GENERATE, Hone
from gateway_stand_in import DONE, FEEDBACK, Gateway, problem, sse
from starlette.responses import JSONResponse

PATH = "/api/artifacts/a-1/feedback"


def test_a_thumb_is_kept_and_its_reward_printed(gateway: Gateway, hone: Hone) -> None:
    result = hone("feedback", "a-1", "--up", "--comment", "Just right.", "--user", "ada")
    assert result == (0, "fb_1  reward +0.90\n", "kept as an example to learn from\n")
    assert gateway.body(PATH) == {"thumb": "up", "comment": "Just right.", "user": "ada"}
    assert len(gateway.headers(PATH)[0]["idempotency-key"]) == 36
    assert json.loads(hone("feedback", "a-1", "--down", "--json").out) == FEEDBACK


def test_a_correction_comes_from_a_file_or_a_pipe(
    gateway: Gateway, hone: Hone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corrected = FEEDBACK | {
        "correction": {"content": "x", "score": 40, "distance": 0.25},
        "supersedes": "fb_0",
        "not_learned": "the correction scores 40 of 100",
    }
    gateway.answers[PATH] = lambda _: JSONResponse(corrected, 201)
    file = tmp_path / "better.mmd"
    file.write_text("erDiagram\n  Ü\n")
    result = hone("feedback", "a-1", "--correction", str(file))
    assert result.err.splitlines() == [
        "the correction scores 40 of 100, and changes 25% of the answer",
        "it takes the place of what ci said before",
        "kept, but no example: the correction scores 40 of 100",
    ]
    assert gateway.body(PATH) == {"correction": "erDiagram\n  Ü\n"}
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"piped")))
    hone("feedback", "a-1", "--correction", "-", "--score", "0")
    assert json.loads(gateway.asked[-1][3]) == {"score": 0, "correction": "piped"}


def test_a_refused_correction_says_what_to_mend(gateway: Gateway, hone: Hone, tmp_path: Path) -> None:
    file = tmp_path / "worse.mmd"
    file.write_text("x")
    gateway.answers[PATH] = lambda _: problem(422, "The correction does not parse", "line 1: \x1b[31mx")
    result = hone("feedback", "a-1", "--correction", str(file))
    assert result == (2, "", "hone: The correction does not parse: line 1: [31mx\n")
    gateway.answers[PATH] = lambda _: problem(429, "Too much feedback from one key", "wait 6 s")
    assert hone("feedback", "a-1", "--up").code == 5


def test_what_was_said_is_listed(gateway: Gateway, hone: Hone) -> None:
    before = FEEDBACK | {"thumb": "down", "superseded_by": "fb_1", "reward": -0.5, "comment": "No\nfines."}
    scored = FEEDBACK | {"thumb": None, "score": 40, "correction": {"score": 90}}
    said = FEEDBACK | {"thumb": None, "comment": "Hm."}
    gateway.answers[PATH] = lambda _: JSONResponse({"feedback": [FEEDBACK, before, scored, said]})
    heading, *rows = [line.split("  ") for line in hone("feedback", "a-1", "--list").out.splitlines()]
    assert [cell.strip() for cell in heading if cell] == [
        "created_at", "user", "said", "reward", "counts", "comment",
    ]  # fmt: skip
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert cells[0] == ["2026-01-01T00:00:00Z", "ci", "up", "+0.90", "yes"]
    assert cells[1][2:] == ["down", "-0.50", "no", "No fines."]
    assert cells[2][2] == "score 40, correction (90)"
    assert cells[3][2] == "comment"
    assert json.loads(hone("feedback", "a-1", "--list", "--json").out)["feedback"][0] == FEEDBACK


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a-1"],
        ["a-1", "--user", "ada"],
        ["a-1", "--score", "101"],
        ["a-1", "--score", "x"],
        ["a-1", "--correction", "/does/not/exist"],
        ["a-1", "--list", "--up"],
        ["a-1", "--list", "--user", "ada"],
        ["", "--up"],
    ],
)
def test_a_wrong_call_sends_nothing(gateway: Gateway, hone: Hone, arguments: list[str]) -> None:
    result = hone("feedback", *arguments)
    assert (result.code, result.out) == (2, "")
    assert len(result.err.splitlines()) == 1
    assert gateway.asked == []


def test_generate_ends_with_how_to_give_feedback(gateway: Gateway, hone: Hone) -> None:
    gateway.streams = [[sse("done", DONE, 1)]] * 2
    assert "`hone feedback a-1 --up`" in hone(*GENERATE).err.splitlines()[-1]
    assert "hone feedback" not in hone(*GENERATE, "--json").err
