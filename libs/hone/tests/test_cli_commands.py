"""Every command against a gateway over real HTTP: what is printed where, and the exit code."""

from __future__ import annotations

import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from calling_hone import Hone
from gateway_stand_in import ARTIFACT, DONE, KEY, Gateway, job, problem, sse
from starlette.responses import JSONResponse, RedirectResponse, Response

from hone.cli import main

GENERATE = ("generate", "--type", "mermaid_erd", "-r", "Each member has loans.")


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


@pytest.mark.parametrize("arguments", [["jobs", "show", "\udcff"], ["generate", "-t", "t", "-r", "a\udcffb"]])
def test_an_argument_that_is_no_text_is_wrong_input(
    gateway: Gateway, hone: Hone, arguments: list[str]
) -> None:
    result = hone(*arguments)
    assert result.code == 2
    assert "an argument is not UTF-8 text" in result.err


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


def test_an_unavailable_gateway_is_asked_again_with_the_same_key(gateway: Gateway, hone: Hone) -> None:
    """The first connections are cut after the request was read: whether it was accepted is unknown."""
    keys: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as flaky:

        def serve() -> None:
            for cut in (True, True, False):
                connection, _ = flaky.accept()
                with connection:
                    keys.extend(
                        line for line in connection.recv(65536).split(b"\r\n") if b"Idempotency" in line
                    )
                    if not cut:
                        body = b'{"title": "Busy", "detail": "too many"}'
                        connection.sendall(
                            b"HTTP/1.1 429 X\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
                        )

        thread = threading.Thread(target=serve)
        thread.start()
        os.environ["HONE_URL"] = f"http://127.0.0.1:{flaky.getsockname()[1]}"  # the fixture puts it back
        result = hone(*GENERATE)
        thread.join()
    assert (result.code, result.err) == (5, "hone: Busy: too many\n")
    assert len(keys) == 3
    assert len(set(keys)) == 1


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
    process = subprocess.Popen(
        [sys.executable, "-c", "from hone.cli.main import main; main()", *GENERATE],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "reading\n"
    process.send_signal(2)
    _, err = process.communicate(timeout=60)
    never.set()
    assert process.returncode == 130
    assert (
        err
        == "hone: the job goes on; see it with `hone jobs watch j-1`, end it with `hone jobs cancel j-1`\n"
    )


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, 2),
        (401, 4),
        (403, 4),
        (404, 3),
        (409, 1),
        (413, 2),
        (422, 2),
        (429, 5),
        (500, 5),
        (501, 5),
        (503, 5),
    ],
)
def test_each_problem_is_one_line_and_its_exit_code(
    gateway: Gateway, hone: Hone, status: int, code: int
) -> None:
    detail = "the types are: mermaid_erd\n\x1b[31mred"
    gateway.answers["/api/artifacts"] = lambda _: problem(status, "Unknown type", detail)
    result = hone(*GENERATE)
    assert result.code == code
    assert result.out == ""
    hint = "; check HONE_API_KEY" if status == 401 else ""
    assert result.err == f"hone: Unknown type: the types are: mermaid_erd [31mred{hint}\n"


def test_without_a_key_it_says_which_variable(
    gateway: Gateway, hone: Hone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HONE_API_KEY")
    result = hone("jobs", "ls")
    assert result.code == 4
    assert "set HONE_API_KEY" in result.err


def test_the_admin_key_goes_to_no_other_address(
    gateway: Gateway, hone: Hone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HONE_API_KEY")
    key_file = tmp_path / "data" / "keys" / "admin.key"
    key_file.parent.mkdir(parents=True)
    key_file.write_text(KEY)
    assert hone("jobs", "ls").code == 4
    assert "authorization" not in gateway.headers("/api/jobs")[0]


def test_nobody_there_says_how_to_start(hone: Hone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HONE_DATA_DIR", str(tmp_path))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("HONE_URL", f"http://127.0.0.1:{port}")
    expected = f"hone: no Hone answers at http://127.0.0.1:{port}; start it with `hone up`, or set HONE_URL\n"
    assert hone("routes", "show") == (5, "", expected)


@pytest.mark.parametrize(
    "url", ["", "x", "ftp://h", "http://", "http://h:99999", "http://a b", "http://[::1", "http://\x07"]
)
def test_an_address_that_is_none(
    hone: Hone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str
) -> None:
    monkeypatch.setenv("HONE_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("HONE_URL", url or "nonsense")
    result = hone("jobs", "ls")
    assert (result.code, len(result.err.splitlines())) == (2, 1)


def test_a_key_that_is_none(gateway: Gateway, hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("hone_a\nX-Evil: 1", "ключ"):
        monkeypatch.setenv("HONE_API_KEY", key)
        assert hone("jobs", "ls").code == 2


HOSTILE: dict[str, Callable[[Any], Response]] = {
    "not JSON": lambda _: Response("<html>"),
    "not an object": lambda _: JSONResponse([1]),
    "without the field": lambda _: JSONResponse({"x": 1}),
    "a wrong type": lambda _: JSONResponse(
        {"jobs": "x", "models": [1], "routes": [], "dead": 1, "job_id": 7}
    ),
    "no UTF-8": lambda _: Response(b'{"jobs": "\xff\xfe"}'),
    "nested": lambda _: Response(b"[" * 200_000),
    "a redirection": lambda _: RedirectResponse("http://example.invalid/"),
    "an error in HTML": lambda _: Response("<html>", 500),
    "an error that is a list": lambda _: JSONResponse([], 500),
    "false gzip": lambda _: Response(b"no", headers={"content-encoding": "gzip"}),
    "cut": lambda _: Response(b"{", headers={"content-length": "100"}),
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize(
    "command", ["jobs ls", "models ls", "routes show", "dead ls", "generate --type t -r x"]
)
def test_a_hostile_answer_is_one_line(
    gateway: Gateway, hone: Hone, what: str, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hone.cli.api._SENT_AGAIN_AFTER_S", ())
    for path in ("/api/jobs", "/api/models", "/api/routes", "/api/dead", "/api/artifacts"):
        gateway.answers[path] = HOSTILE[what]
    result = hone(*command.split())
    assert (result.code, result.out) == (5, "")
    assert len(result.err.splitlines()) == 1


def test_an_endless_answer_ends(gateway: Gateway, hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hone.cli.api._LARGEST_ANSWER_BYTES", 1 << 20)
    gateway.answers["/api/jobs"] = lambda _: Response(b" " * (3 << 20))
    result = hone("jobs", "ls")
    assert result.code == 5
    assert "larger than 1 MiB" in result.err


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


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["jobs"],
        ["nonsense"],
        ["generate"],
        ["generate", "--type", "t"],
        ["generate", "--type", "t", "-r", "x", "-f", "y"],
        ["generate", "--type", "t", "-f", "/does/not/exist"],
        ["generate", "--type", "t", "-f", "/"],
        ["jobs", "show"],
        ["jobs", "show", ""],
        ["jobs", "ls", "--limit", "x"],
        ["jobs", "ls", "--limit", "201"],
        ["jobs", "ls", "--state", "x"],
        ["up", "--port", "99999"],
        ["train", "--type", "t", "--method", "x"],
        ["train", "--type", "t", "--method", "lora", "--set", "x"],
        ["hub", "inspect-file", "/does/not/exist"],
    ],
)
def test_a_wrong_call_is_one_line(gateway: Gateway, hone: Hone, arguments: list[str]) -> None:
    result = hone(*arguments)
    assert (result.code, result.out) == (2, "")
    assert len(result.err.splitlines()) == 1, result.err


def test_a_file_that_is_no_text_is_refused_here(gateway: Gateway, hone: Hone, tmp_path: Path) -> None:
    file = tmp_path / "x.bin"
    file.write_bytes(b"ok\xff\xfe")
    result = hone("generate", "--type", "t", "-f", str(file))
    assert result.code == 2
    assert "is not UTF-8 text (byte 2)" in result.err
    assert gateway.asked == []


def test_jobs(gateway: Gateway, hone: Hone) -> None:
    result = hone("jobs", "ls", "--limit", "5", "--state", "running")
    assert result.out.splitlines()[0].split() == [
        "id",
        "kind",
        "state",
        "attempt",
        "created_at",
        "finished_at",
    ]
    assert "2026-01-01T00:00:00Z" in result.out
    assert json.loads(hone("jobs", "ls", "--json").out)["jobs"][1] == DONE
    assert "a-1" in hone("jobs", "show", "j-1").out
    assert json.loads(hone("jobs", "show", "j-1", "--json").out) == DONE
    assert hone("jobs", "show", "no/such?").code == 3
    assert gateway.asked[-1][1] == "/api/jobs/no/such?"
    assert hone("jobs", "cancel", "j-1").err == "job j-1 is cancelled\n"
    gateway.answers["/api/jobs/j-1/cancel"] = lambda _: problem(409, "It has ended", "as succeeded")
    assert hone("jobs", "cancel", "j-1") == (1, "", "hone: It has ended: as succeeded\n")


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


def test_hub(gateway: Gateway, hone: Hone, tmp_path: Path) -> None:
    gateway.streams = [[sse("done", job("succeeded", result={"path": "/x.gguf", "size_bytes": 5}), 1)]] * 2
    out = hone("hub", "convert", str(tmp_path), "--out", str(tmp_path / "x.gguf")).out
    assert "/x.gguf" in out
    sent = gateway.body("/api/hub/convert")
    assert sent == {
        "source": str(tmp_path),
        "out": str(tmp_path / "x.gguf"),
        "quant": "Q8_0",
        "overwrite": False,
    }
    assert (
        json.loads(hone("hub", "convert", str(tmp_path), "--out", "x", "--json").out)["state"] == "succeeded"
    )
    file = tmp_path / "y.gguf"
    file.touch()
    shown = hone("hub", "inspect-file", str(file))
    assert shown.code == 0
    assert [line.split(maxsplit=1) for line in shown.out.splitlines()] == [
        ["architecture", "llama"],
        ["file_bytes", "3500000 (3.5 MB)"],
        ["tokenizer.special.eos", "3"],
        ["problems", "none"],
        ["ok", "yes"],
    ]
    broken = {"problems": [{"severity": "error", "message": "two tensors overlap"}], "ok": False}
    gateway.answers["/api/hub/inspect-file"] = lambda _: JSONResponse(broken)
    result = hone("hub", "inspect-file", str(file))
    assert result.code == 1
    assert "error: two tensors overlap" in result.out
    gateway.answers["/api/hub/inspect-file"] = lambda _: problem(
        422, "Not a GGUF file", "it ends after 0 bytes"
    )
    assert hone("hub", "inspect-file", str(file)) == (2, "", "hone: Not a GGUF file: it ends after 0 bytes\n")


def test_models_dead_train_and_status(gateway: Gateway, hone: Hone) -> None:
    assert "champion → 1" in hone("models", "ls").out
    assert "file:///x.gguf" in hone("models", "show", "hone-starter").out
    assert hone("models", "show", "nobody").code == 3
    heading, letter = hone("dead", "ls").out.splitlines()
    assert heading.split() == ["id", "job", "subject", "reason"]
    assert letter.split(maxsplit=3) == ["7", "j-1", "hone.command.x", "Given up: five deliveries"]
    assert "sent again as j-2; follow it with `hone jobs watch j-2`" in hone("dead", "retry", "7").err
    assert "hub" in hone("status").out
    assert json.loads(hone("status", "--json").out)["running"] is True
    gateway.streams = [[sse("done", job("succeeded", result={"version": 2}), 1)]]
    settings = ("--set", "lr=0.001", "--set", "optimizer=adamw")
    arguments = ("train", "--type", "mermaid_erd", "--method", "lora", *settings)
    assert "2" in hone(*arguments).out
    assert gateway.body("/api/train")["settings"] == {"lr": 0.001, "optimizer": "adamw"}
    gateway.answers["/api/train"] = lambda _: problem(
        503, "Training is not installed", "run `make train-deps`"
    )
    assert hone(*arguments) == (5, "", "hone: Training is not installed: run `make train-deps`\n")


PROVIDERS = [
    {
        "name": "ollama",
        "local": True,
        "ok": True,
        "detail": "http://h:1 runs Ollama 0.24",
        "models": [{"model": "ollama:a", "loaded": True}, {"model": "ollama:b", "loaded": False}],
        "models_total": 7,
    },
    {"name": "gemini", "local": False, "ok": False, "detail": "GEMINI_API_KEY is not set", "models": []},
]


def test_status_tells_of_providers_and_cards(gateway: Gateway, hone: Hone) -> None:
    gpu = {"name": "H200", "total_bytes": 150 << 30, "used_bytes": 3 << 29}
    report = {"version": "1", "services": [], "providers": PROVIDERS, "gpus": [gpu]}
    gateway.answers["/api/status"] = lambda _: JSONResponse(report)
    lines = [line.split() for line in hone("status").out.splitlines()]
    assert ["ollama", "yes", "here", "ollama:a", "7", "http://h:1", "runs", "Ollama", "0.24"] in lines
    assert ["gemini", "no", "cloud", "GEMINI_API_KEY", "is", "not", "set"] in lines
    assert ["gpu", "0:", "H200,", "1.5", "of", "150.0", "GiB", "in", "use"] in lines
    assert json.loads(hone("status", "--json").out)["providers"] == PROVIDERS


@pytest.mark.parametrize("providers", [None, 7, [1], [{"models": 1}], [{"name": 1, "models": [1, {}]}]])
def test_status_of_odd_providers_is_no_error(gateway: Gateway, hone: Hone, providers: Any) -> None:
    report = {"version": "1", "services": [], "providers": providers, "gpus": providers}
    gateway.answers["/api/status"] = lambda _: JSONResponse(report)
    assert hone("status").code == 0


def test_keys(gateway: Gateway, hone: Hone) -> None:
    made = hone("keys", "create", "ci")
    assert (made.code, made.out) == (0, "hone_new\n")  # the key alone: it goes into a pipe
    assert "only time" in made.err
    assert gateway.body("/api/keys") == {"name": "ci"}
    assert "idempotency-key" in gateway.headers("/api/keys")[0]
    heading, key = hone("keys", "ls").out.splitlines()
    assert heading.split() == ["name", "begins", "created_at", "revoked_at"]
    assert key.split() == ["ci", "hone_abc…", "2026-01-01T00:00:00Z"]
    assert "revoked" in hone("keys", "revoke", "ci").err
    assert gateway.asked[-1][:2] == ("DELETE", "/api/keys/ci")
    assert hone("keys", "revoke", "nobody").code == 3
    gateway.answers["/api/keys"] = lambda _: JSONResponse(
        {"name": "ci"}, 201
    )  # sent again after a lost answer
    lost = hone("keys", "create", "ci")
    assert (lost.code, lost.out) == (1, "")
    assert "hone keys revoke ci" in lost.err


@pytest.mark.parametrize("services", [None, 7, [], [1], [{"name": "hub", "ready": False}]])
def test_status_of_a_gateway_that_is_not_all_there(gateway: Gateway, hone: Hone, services: Any) -> None:
    gateway.answers["/api/status"] = lambda _: JSONResponse({"version": "1", "services": services})
    assert hone("status").code == (0 if services == [] else 1)


def test_a_defect_of_ours_goes_to_a_file(
    gateway: Gateway, hone: Hone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defective(*_: object, **__: object) -> None:
        raise ZeroDivisionError("of our own making")

    monkeypatch.setattr("hone.cli.api.Api.get", defective)
    result = hone("jobs", "ls")
    assert result.code == 1
    assert result.err.startswith("hone: unexpected ZeroDivisionError: of our own making; see ")
    file = Path(result.err.split("see ")[1].split(", and")[0])
    assert "Traceback" in file.read_text()
    assert file.stat().st_mode & 0o077 == 0
    file.unlink()


def test_a_reader_that_leaves_early_is_no_traceback(gateway: Gateway) -> None:
    gateway.answers["/api/jobs"] = lambda _: JSONResponse({"jobs": [job()] * 20_000})
    command = f"{sys.executable} -c 'from hone.cli.main import main; main()' jobs ls | head -1"
    result = subprocess.run(["bash", "-c", command], check=False, capture_output=True, text=True, timeout=60)
    assert result.stdout.startswith("id")
    assert result.stderr == ""


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from hone.cli.main import run; sys.exit(run(['--help']) or 'httpx' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, timeout=60, check=True)


@pytest.mark.parametrize("command", main.hone.list_commands(click.Context(main.hone)))
def test_every_command_has_help(hone: Hone, command: str) -> None:
    result = hone(command, "--help")
    assert result.code == 0
    assert "Usage: hone" in result.out
