"""One supervised process over its whole life: started, ready, crashed, started again, given up."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hone.launcher.restarts import CrashHistory


@dataclass(eq=False)
class Unit:
    name: str
    log: Path
    start: Callable[[], int]  # forks, returns the pid
    crashes: CrashHistory
    port: int = 0
    # A service's listening socket; NATS has none. The supervisor keeps it, so the port survives a restart and
    # connections queue in the meantime.
    sock: socket.socket | None = None
    # How to see that a process without a socket of ours is up; services are asked over HTTP.
    is_up: Callable[[], bool] | None = None
    pid: int | None = None
    ready: bool = False
    restarts: int = 0
    restart_at: float | None = None  # monotonic
    given_up: bool = False

    @property
    def state(self) -> str:
        if self.given_up:
            return "stopped"
        if self.pid is None:
            return "restarting"
        return "ready" if self.ready else "starting"

    def crashed(self) -> float | None:
        """Plan the next start; the seconds until then, or None when this was one crash too many."""
        self.pid = None
        self.ready = False
        now = time.monotonic()
        delay = self.crashes.delay_after_crash(now)
        if delay is None:
            self.given_up = True
            if self.sock is not None:
                self.sock.close()  # refuse callers instead of letting them wait for nobody
            return None
        self.restart_at = now + delay
        return delay
