"""A small process that outlives a killed supervisor just long enough to end everything it had started.

The supervisor tells it over a pipe which process groups live (`+pid`, `-pid`). When the pipe ends, the guard kills
what is left: services, NATS, and what services started themselves, which no parent-death signal reaches. It holds
the data folder's lock meanwhile, so the next `hone up` waits until the ports and the store are free. It needs no
prctl.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from hone.launcher import child

# Zombies that nobody reaps look alive; they hold neither port nor file, so this need not be long.
_GONE_WITHIN_S = 2


class Guard:
    """The supervisor's end of the pipe."""

    def __init__(self, lock: int) -> None:
        self.pid = 0
        self._lock = lock
        self._groups: set[int] = set()
        self._pipe = -1
        self.start()

    def start(self) -> None:
        """Fork the guard; again if somebody killed it."""
        if self._pipe >= 0:
            os.close(self._pipe)
        reading, self._pipe = os.pipe()
        lock = self._lock
        self.pid = child.fork(lambda: _watch(reading, lock), keep=(reading, lock), outlives_us=True)
        os.close(reading)
        for group in self._groups:
            self._tell(f"+{group}\n")

    def add(self, group: int) -> None:
        self._groups.add(group)
        self._tell(f"+{group}\n")

    def remove(self, group: int) -> None:
        self._groups.discard(group)
        self._tell(f"-{group}\n")

    def dismiss(self) -> None:
        os.close(self._pipe)
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)

    def _tell(self, line: str) -> None:
        with suppress(
            BrokenPipeError
        ):  # it was killed; the supervisor starts another, which hears everything again
            os.write(self._pipe, line.encode())


def end_group(group: int, number: int) -> bool:
    """Signal a process group; False when it has no member left."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    except PermissionError:  # macOS says so of groups that hold only zombies
        return False
    return True


def _watch(reading: int, lock: int) -> int:
    for number in child.SUPERVISED_SIGNALS[:3]:  # meant for the supervisor, whose end is what we wait for
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    with os.fdopen(reading, encoding="ascii") as lines:
        for line in lines:
            group = int(line[1:])
            if line[0] == "+":
                groups.add(group)
            else:
                groups.discard(group)
    if groups:
        os.ftruncate(lock, 0)  # tells the next `hone up` to wait for us
    give_up_at = time.monotonic() + _GONE_WITHIN_S
    while groups and time.monotonic() < give_up_at:
        groups = {group for group in groups if end_group(group, signal.SIGKILL)}
        time.sleep(0.01)
    return 0
