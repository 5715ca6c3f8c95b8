"""Every command against a gateway over real HTTP: what is printed where, and the exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from calling_hone import Hone
from gateway_stand_in import DONE, Gateway, job, problem, sse
from starlette.responses import JSONResponse

from hone.cli import main


@pytest.mark.parametrize("arguments", [["jobs", "show", "\udcff"], ["generate", "-t", "t", "-r", "a\udcffb"]])
def test_an_argument_that_is_no_text_is_wrong_input(
    gateway: Gateway, hone: Hone, arguments: list[str]
) -> None:
    result = hone(*arguments)
    assert result.code == 2
    assert "an argument is not UTF-8 text" in result.err


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
    gateway.streams = [[sse("done", job("succeeded", result={"verdict": "canary"}), 1)]]
    settings = ("--set", "lr=0.001", "--set", "optimizer=adamw")
    arguments = ("train", "--type", "mermaid_erd", "--method", "lora", *settings)
    assert hone(*arguments).out == "canary\n"
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


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from hone.cli.main import run; sys.exit(run(['--help']) or 'httpx' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, timeout=60, check=True)


@pytest.mark.parametrize("command", main.hone.list_commands(click.Context(main.hone)))
def test_every_command_has_help(hone: Hone, command: str) -> None:
    result = hone(command, "--help")
    assert result.code == 0
    assert "Usage: hone" in result.out
