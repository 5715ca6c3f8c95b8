"""Gateways that refuse, are not there or are not ours: one line that says what to do, and the exit code."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from calling_hone import GENERATE, Hone
from gateway_stand_in import KEY, Gateway, job, problem
from starlette.responses import JSONResponse, RedirectResponse, Response


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
