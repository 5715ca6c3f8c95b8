"""A whole Hone: `hone up` in a process group of its own, on a data folder of the test's, with the starter model."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import psutil

HONE = [sys.executable, "-m", "hone"]


class Machine:
    """One data folder on which Hone is started, used, hurt and stopped."""

    def __init__(self, data: Path, **environment: str) -> None:
        self.data = data
        self.environment = os.environ | {"HONE_DATA_DIR": str(data)} | environment

    def hone(
        self, *words: str, stdin: str | None = None, timeout_s: float = 90
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*HONE, *words], env=self.environment, input=stdin, capture_output=True, text=True, timeout=timeout_s,
            check=False,
        )  # fmt: skip

    def up(self) -> None:
        done = self.hone("up", "--detach", "--port", "0")
        assert done.returncode == 0, done.stderr + self.logs()

    def down(self) -> None:
        self.hone("down")

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.data / "run" / "hone.json").read_text())
        return found

    def pid(self, service: str) -> int:
        return int(self.state["nats"]["pid"] if service == "nats" else self.state["services"][service]["pid"])

    def kill(self, service: str) -> None:
        os.kill(self.pid(service), signal.SIGKILL)

    def processes(self) -> list[psutil.Process]:
        """Everything that runs on this data folder, zombies not counted."""
        supervisor = psutil.Process(self.state["pid"])
        return [supervisor, *supervisor.children(recursive=True)]

    def client(self) -> httpx.Client:
        key = (self.data / "keys" / "admin.key").read_text().strip()
        return httpx.Client(
            base_url=self.state["url"],
            headers={"Authorization": f"Bearer {key}"},
            timeout=30,
            trust_env=False,
        )

    def logs(self) -> str:
        return "\n".join(
            f"== {log.name}\n{log.read_text()[-3000:]}" for log in (self.data / "logs").glob("*.log")
        )
