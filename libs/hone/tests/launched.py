"""`hone up` with stand-in services and a real nats-server, in processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
TWO = {"gateway": "ok", "generator": "ok"}


def until(condition: Callable[[], Any], within_s: float = 60) -> Any:
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return value


def stat_of(pid: int) -> list[str]:
    """/proc/PID/stat from the third field (state) on; empty when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def alive(pid: int) -> bool:
    return stat_of(pid)[:1] not in ([], ["Z"])


def children_of(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def ask(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url + "/health/ready", timeout=60) as answer:
        told: dict[str, Any] = json.load(answer)
    return told


@dataclass
class Machine:
    """A data folder, and `hone` commands on it."""

    data: Path
    services: dict[str, str] = field(default_factory=lambda: dict(TWO))
    plan: dict[str, Any] = field(default_factory=dict)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def popen(self, *arguments: str) -> subprocess.Popen[str]:
        paths = [str(HERE), str(HERE.parent)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "HONE_DATA_DIR": str(self.data)}
        for name in ("HONE_URL", "HONE_API_KEY"):
            environment.pop(name, None)
        plan = json.dumps({"services": self.services, **self.plan})
        process = subprocess.Popen(
            [sys.executable, str(HERE / "stand_in_up.py"), plan, *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def hone(self, *arguments: str) -> tuple[int, str, str]:
        process = self.popen(*arguments)
        out, err = process.communicate(timeout=60)
        return process.returncode, out, err

    def up(self, *arguments: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
        """In the foreground; returns when it is ready, with the document it prints."""
        process = self.popen("up", "--port", "0", "--json", *arguments)
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            pytest.fail(f"did not start: {process.communicate()[1]}")
        return process, json.loads(line)

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.data / "run" / "hone.json").read_text())
        return state

    def url(self, service: str) -> str:
        return f"http://127.0.0.1:{self.state()['services'][service]['port']}"

    def log(self, name: str = "hone") -> str:
        return (self.data / "logs" / f"{name}.log").read_text()

    def clear(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.terminate()
                process.wait(60)
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
        self.hone("down")


def tree_of(state: dict[str, Any]) -> list[int]:
    return [state["nats"]["pid"], *(service["pid"] for service in state["services"].values())]
