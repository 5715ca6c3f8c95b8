"""`hone up --detach`: a daemon that tells its parent when it is ready, or why it never will be."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from typing import Any, NoReturn

from hone.launcher.datafolder import DataFolder, RunState
from hone.launcher.errors import LauncherError, StoppedWhileStarting
from hone.launcher.plan import LaunchPlan
from hone.launcher.up import up


class StartFailed(LauncherError):
    """What went wrong in the daemon, told by it."""

    def __init__(self, message: str, details: str = "", exit_code: int = 1) -> None:
        self.exit_code = exit_code
        self._details = details
        super().__init__(message)

    @property
    def details(self) -> str:
        return self._details


def up_detached(plan: LaunchPlan, progress: Callable[[str], None]) -> RunState:
    """Start everything in a process of its own session; returns when it is ready. Raises `LauncherError`."""
    DataFolder(plan.data).create()
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    first = os.fork()
    if not first:
        os.close(reading)
        _become_daemon(plan, writing)
    os.close(writing)
    os.waitpid(first, 0)
    daemon: int | None = None
    with os.fdopen(reading, encoding="utf-8") as messages:
        try:
            for line in messages:
                message = json.loads(line)
                daemon = message.get("pid", daemon)
                if "progress" in message:
                    progress(message["progress"])
                if "ready" in message:
                    return RunState(**message["ready"])
                if "error" in message:
                    raise StartFailed(**message["error"])
        except KeyboardInterrupt:
            if daemon:
                os.kill(daemon, signal.SIGTERM)
                messages.read()  # until it has stopped everything
            raise StoppedWhileStarting from None
    log = DataFolder(plan.data).log_of("hone")
    raise StartFailed(f"the launcher ended without a word; see {log}")


class _Parent:
    """The audience at the other end of the pipe, for as long as it is there."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def tell(self, **message: Any) -> None:
        if self._pipe < 0:
            return
        with suppress(BrokenPipeError):  # it was killed while waiting; we run on
            os.write(self._pipe, json.dumps(message).encode() + b"\n")

    def progress(self, line: str) -> None:
        self.tell(progress=line)

    def ready(self, state: RunState) -> None:
        self.tell(ready=asdict(state))
        self.hang_up()

    def hang_up(self) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
        self._pipe = -1


def _become_daemon(plan: LaunchPlan, pipe: int) -> NoReturn:
    os.setsid()
    if os.fork():  # a process that is no session leader never gets a terminal again
        os._exit(0)
    code = 70
    try:
        _leave_terminal(plan)
        parent = _Parent(pipe)
        parent.tell(pid=os.getpid())
        try:
            up(plan, parent, echo_warnings=False)
            code = 0
        except LauncherError as error:
            code = error.exit_code
            parent.tell(error={"message": str(error), "details": error.details, "exit_code": code})
    except Exception as error:  # noqa: BLE001 - the edge of the process: stderr is its log by now
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        sys.stderr.flush()
        os._exit(code)


def _leave_terminal(plan: LaunchPlan) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    log = os.open(DataFolder(plan.data).log_of("hone"), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(null, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(null)
    os.close(log)
