"""A job that the command follows until it ends: what is told, taken up again, given up."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from calling_hone import GENERATE, Hone
from gateway_stand_in import ARTIFACT, DONE, Gateway, job, problem, sse
from starlette.responses import JSONResponse, Response


def test_generate_prints_content_on_stdout_and_the_rest_on_stderr(gateway: Gateway, hone: Hone) -> None:
    reading = {"stage": "reading", "message": "passage 2", "done": 2, "total": 5}
    early = [sse("snapshot", job("queued")), sse("progress", reading, 1), sse("token", {"token": "{"}, 2)]
    gateway.streams = [[*early, sse("done", DONE, 3)]]
    result = hone(*GENERATE)
    assert result.code == 0, result.err
    assert result.out == ARTIFACT["content"]
    for expected in (
        "queued",
        "reading: 2 of 5, passage 2",
        "score 72.5 of 100, not accepted",
        "\n  syntax: passed, 100 of 100\n",
        "\n  coverage: failed, 40 of 100\n    `fine` is nowhere\n    2 of 5 missing\n",
        "artifact a-1",
        "model llamacpp:hone-starter",
        "A larger model will do better",
    ):
        assert expected in result.err
    (headers,) = gateway.headers("/api/artifacts")
    assert len(headers["idempotency-key"]) == 36
    assert gateway.body("/api/artifacts") == {"type": "mermaid_erd", "requirements": "Each member has loans."}


def test_the_last_progress_that_was_written_down_is_not_told_after_the_end(
    gateway: Gateway, hone: Hone
) -> None:
    stale = DONE | {"progress": {"stage": "started", "message": ""}}
    gateway.streams = [[sse("progress", {"stage": "validating"}, 1), sse("done", stale, 2)]]
    assert "started" not in hone(*GENERATE).err


def test_what_could_not_be_read_is_told(gateway: Gateway, hone: Hone) -> None:
    gateway.streams = [[sse("done", DONE, 1)]]
    reasons = ["coverage 40 of 100, weight 60%", "passage 3 (Each fine …) was not read: no JSON"]
    gateway.answers["/api/artifacts/a-1"] = lambda _: JSONResponse(ARTIFACT | {"reasons": reasons})
    told = hone(*GENERATE).err
    assert "\n  passage 3 (Each fine …) was not read: no JSON\n" in told
    assert "weight 60%" not in told  # the validators said so with more words


def test_a_validator_with_much_to_say_is_cut(gateway: Gateway, hone: Hone) -> None:
    gateway.streams = [[sse("done", DONE, 1)]]
    found = [f"line {number}: {'x' * 5000}" for number in range(300)]
    validator = {"name": "coverage", "score": 0, "passed": False, "messages": found}
    gateway.answers["/api/artifacts/a-1"] = lambda _: JSONResponse(ARTIFACT | {"validators": [validator]})
    lines = hone(*GENERATE).err.splitlines()
    assert len(lines) < 20
    assert max(map(len, lines)) < 250
    assert any("and 292 more: --json has them all" in line for line in lines)


def test_generate_json_is_the_artifact_document(gateway: Gateway, hone: Hone, tmp_path: Path) -> None:
    gateway.streams = [[sse("done", DONE, 1)]] * 2
    file = tmp_path / "requirements.md"
    file.write_text("Ein Mitglied hört.", "utf-8")
    out = tmp_path / "diagram.mmd"
    chosen = ("--model", "x:y", "--context", "c")
    result = hone("generate", "-t", "mermaid_erd", "-f", str(file), *chosen, "-o", str(out), "--json")
    assert json.loads(result.out) == ARTIFACT
    assert out.read_text() == ARTIFACT["content"]
    sent = gateway.body("/api/artifacts")
    assert sent == {
        "type": "mermaid_erd",
        "requirements": "Ein Mitglied hört.",
        "model": "x:y",
        "context": "c",
    }
    result = hone(*GENERATE, "-o", str(out))
    assert result.out == ""
    assert list(tmp_path.glob(".diagram*")) == []


@pytest.mark.parametrize("option", ["-f", "-r"])
def test_generate_reads_stdin(
    gateway: Gateway, hone: Hone, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    gateway.streams = [[sse("done", DONE, 1)]]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"from a pipe")))
    assert hone("generate", "--type", "mermaid_erd", option, "-").code == 0
    assert gateway.body("/api/artifacts")["requirements"] == "from a pipe"


def test_a_broken_stream_is_taken_up_where_it_broke(gateway: Gateway, hone: Hone) -> None:
    gateway.streams = [
        [sse("progress", {"stage": "one"}, 7), ConnectionError("cut")],
        [
            sse("progress", {"stage": "two"}, 8),
            b"id: 9\nevent: done\ndata: {",
        ],  # ends in the middle of an event
        [],
        [b": a comment\n\n", sse("done", DONE, 9)],
    ]
    result = hone(*GENERATE)
    assert result.code == 0, result.err
    told = [headers.get("last-event-id") for headers in gateway.headers("/api/jobs/j-1/events")]
    assert told == [None, "7", "8", "8"]


def test_events_are_asked_for_again_while_the_gateway_restarts(gateway: Gateway, hone: Hone) -> None:
    gateway.streams = [[sse("done", DONE, 1)]]
    statuses = [503, 502]

    def events(request: Any) -> Response:
        status = statuses.pop()
        if not statuses:
            del gateway.answers["/api/jobs/j-1/events"]
        return problem(status, "Not now")

    gateway.answers["/api/jobs/j-1/events"] = events
    assert hone(*GENERATE).code == 0


@pytest.mark.parametrize(
    ("ended", "line"),
    [
        (
            job("failed", error={"title": "No memory", "detail": "take a smaller"}),
            "No memory: take a smaller",
        ),
        (job("failed"), "job j-1 failed without saying why; see `hone jobs show j-1`"),
        (job("cancelled"), "job j-1 was cancelled"),
    ],
)
def test_a_job_that_fails_says_why(gateway: Gateway, hone: Hone, ended: dict[str, Any], line: str) -> None:
    gateway.streams = [[sse("done", ended, 1)]]
    assert hone(*GENERATE) == (1, "", f"hone: {line}\n")


def test_a_snapshot_of_an_ended_job_is_enough(gateway: Gateway, hone: Hone) -> None:
    gateway.streams = [[sse("snapshot", DONE)]]
    assert hone(*GENERATE).code == 0


def test_a_timeout_leaves_the_job_alone(gateway: Gateway, hone: Hone) -> None:
    never = threading.Event()
    gateway.streams = [[sse("snapshot", job()), never]] * 5
    started = time.monotonic()
    result = hone(*GENERATE, "--timeout", "0.3")
    never.set()
    assert time.monotonic() - started < 5
    assert result.code == 5
    assert "no result within 0.3 s; the job goes on, follow it with `hone jobs watch j-1`" in result.err


def test_ctrl_c_says_how_to_go_on(gateway: Gateway) -> None:
    never = threading.Event()
    gateway.streams = [[sse("progress", {"stage": "reading"}, 1), never]]
    # Whoever runs the tests in the background may have had them ignore it.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{heard}; from hone.cli.main import main; main()", *GENERATE],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "reading\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    never.set()
    assert process.returncode == 130
    assert (
        err
        == "hone: the job goes on; see it with `hone jobs watch j-1`, end it with `hone jobs cancel j-1`\n"
    )


@pytest.mark.parametrize(
    "pieces",
    [
        [sse("done", [1])],
        [b"event: done\ndata: {{{\n\n"],
        [
            sse("snapshot", "x"),
            sse("progress", None),
            sse("progress", {"done": "x", "stage": []}),
            sse("done", DONE),
        ],
    ],
)
def test_odd_events_do_not_confuse_it(gateway: Gateway, hone: Hone, pieces: list[bytes]) -> None:
    gateway.streams = [pieces]
    assert hone(*GENERATE).code == 0  # the job itself is asked for


def test_an_event_stream_that_is_none_is_not_followed_forever(gateway: Gateway, hone: Hone) -> None:
    gateway.answers["/api/jobs/j-1/events"] = lambda _: Response("<html>")
    assert hone(*GENERATE).code == 5


def test_a_stream_that_always_ends_early_is_given_up(
    gateway: Gateway, hone: Hone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hone.cli.follow._ATTEMPTS", 3)
    gateway.streams = [[sse("snapshot", job())]] * 9
    result = hone(*GENERATE)
    assert result.code == 5
    assert "hone jobs show j-1" in result.err


def test_jobs_watch_json_is_one_event_a_line(gateway: Gateway, hone: Hone) -> None:
    gateway.streams = [
        [sse("progress", {"stage": "a"}, 1), sse("done", DONE, 2)],
        [sse("done", job("failed"), 1)],
    ]
    result = hone("jobs", "watch", "j-1", "--json")
    assert [json.loads(line) for line in result.out.splitlines()] == [
        {"event": "progress", "id": "1", "data": {"stage": "a"}},
        {"event": "done", "id": "2", "data": DONE},
    ]
    assert hone("jobs", "watch", "j-1").code == 1
