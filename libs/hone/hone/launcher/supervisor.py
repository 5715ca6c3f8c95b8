"""The supervisor: forks NATS and the services, waits until they are ready, keeps them alive, stops them in order.

One thread, no event loop, nothing but signals, `waitpid` and a selector: only such a process may fork at any time.
"""

from __future__ import annotations

import gc
import importlib
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import FrameType

from hone.launcher import child, logs
from hone.launcher.errors import DidNotStart, NatsLost, StoppedWhileStarting
from hone.launcher.guard import Guard, end_group
from hone.launcher.plan import GATEWAY, LaunchPlan
from hone.launcher.probe import Probe
from hone.launcher.unit import Unit

_ASK_AGAIN_S = 0.02
_PROBE_TIMEOUT_S = 5
_HOUSEKEEPING_S = 0.5


class Supervisor:
    def __init__(
        self, plan: LaunchPlan, guard: Guard, report: Callable[[str], None], on_change: Callable[[], None]
    ) -> None:
        """report: one line about what happened. on_change: a unit's state differs from before."""
        self.units: list[Unit] = []
        self._plan = plan
        self._guard = guard
        self._report = report
        self._on_change = on_change
        self._stopping = False
        self._interrupts = 0
        self._all_ready = False
        self._probes: dict[str, tuple[Probe, float]] = {}
        self._ask_after: dict[str, float] = {}
        self._selector = selectors.DefaultSelector()
        self._woken, self._waker = socket.socketpair()
        self._listen_to_signals()

    def start(self, unit: Unit) -> None:
        """Fork the unit's process; from now on it is looked after."""
        if unit not in self.units:
            logs.rotate_at_start(unit.log)
            self.units.append(unit)
        unit.restart_at = None
        unit.pid = unit.start()
        self._guard.add(unit.pid)

    def wait_until_ready(self, units: list[Unit]) -> None:
        """Until each is up (services: 200 from /health/ready); raises `DidNotStart` or `StoppedWhileStarting`."""
        deadline = time.monotonic() + self._plan.ready_timeout_s
        while late := [unit for unit in units if not unit.ready]:
            self._turn(time.monotonic() + _ASK_AGAIN_S)
            if self._stopping:
                raise StoppedWhileStarting
            if time.monotonic() > deadline:
                why = f"is not ready after {self._plan.ready_timeout_s:g} s"
                raise self._did_not_start(late[0], why)

    def run(self, every_half_second: Callable[[], None]) -> None:
        """Look after everything until SIGTERM, SIGINT or SIGHUP."""
        self._all_ready = True
        while not self._stopping:
            self._turn(time.monotonic() + _HOUSEKEEPING_S)
            every_half_second()

    def stop_all(self) -> None:
        """The gateway first, so that nothing new comes in; NATS last, so that the others can say goodbye."""
        self._stopping = True
        self._report("stopping")
        services = [unit for unit in self.units if unit.sock]
        for unit in self.units:
            unit.restart_at = None
            if unit.sock:
                unit.sock.close()  # the service holds its own copy; when it closes that, callers are refused
        for stage in (
            [unit for unit in services if unit.name == GATEWAY],
            [unit for unit in services if unit.name != GATEWAY],
            [unit for unit in self.units if not unit.sock],
        ):
            self._stop(stage)
        self._guard.dismiss()

    def preload(self, modules: Iterable[str]) -> None:
        """Import once what the services share, and keep the collector from touching (thus copying) those pages."""
        gc.disable()
        for module in modules:
            with suppress(ModuleNotFoundError):  # the service that needs it will say so
                importlib.import_module(module)
        gc.freeze()
        gc.enable()

    def _turn(self, until: float) -> None:
        """Wait for a signal, an answer, the next planned thing or `until`, and deal with what came."""
        for unit in self.units:
            self._ask(unit)
        planned = [until, *(unit.restart_at for unit in self.units if unit.restart_at is not None)]
        if any(unit.state == "starting" for unit in self.units):
            planned.append(time.monotonic() + _ASK_AGAIN_S)
        for key, _ in self._selector.select(max(0.0, min(planned) - time.monotonic())):
            if key.data is None:
                self._drain_wakeups()
            else:
                self._read_probe(key.data)
        self._reap()
        for unit in self.units:
            if unit.restart_at is not None and unit.restart_at <= time.monotonic():
                unit.restarts += 1
                self.start(unit)
                self._on_change()

    def _ask(self, unit: Unit) -> None:
        """Have one question open for whatever is not known to be up."""
        now = time.monotonic()
        asked = self._probes.get(unit.name)
        if asked and (unit.pid is None or now > asked[1] + _PROBE_TIMEOUT_S):
            self._end_probe(unit)
            asked = None
        if unit.state != "starting" or asked or now < self._ask_after.get(unit.name, 0):
            return
        self._ask_after[unit.name] = now + _ASK_AGAIN_S
        if unit.is_up is not None:
            self._answered(unit, unit.is_up())
            return
        with suppress(OSError):  # its queue is full: ask later
            probe = Probe(unit.port)
            self._probes[unit.name] = (probe, now)
            self._selector.register(probe.sock, selectors.EVENT_READ, unit)

    def _read_probe(self, unit: Unit) -> None:
        answer = self._probes[unit.name][0].read()
        if answer is not None:
            self._end_probe(unit)
            self._ask_after[unit.name] = time.monotonic() + _ASK_AGAIN_S
            self._answered(unit, answer)

    def _answered(self, unit: Unit, ready: bool) -> None:
        if ready:
            unit.ready = True
            self._report(f"{unit.name} is ready")
            self._on_change()

    def _end_probe(self, unit: Unit) -> None:
        probe, _ = self._probes.pop(unit.name)
        self._selector.unregister(probe.sock)
        probe.close()

    def _reap(self) -> None:
        for unit in self.units:
            if unit.pid is None:
                continue
            pid, status = os.waitpid(unit.pid, os.WNOHANG)
            if pid:
                end_group(pid, signal.SIGKILL)  # what it had started itself
                self._guard.remove(pid)
                self._ended(unit, child.exit_text(status))
        pid, _ = os.waitpid(self._guard.pid, os.WNOHANG)
        if pid:
            self._guard.start()

    def _ended(self, unit: Unit, how: str) -> None:
        if self._stopping:
            unit.pid = None
            return
        delay = unit.crashed()
        if delay is not None:
            self._report(f"{unit.name} {how}; it starts again in {delay:.1f} s")
        elif not self._all_ready:
            raise self._did_not_start(unit, f"{how} again and again")
        elif not unit.sock:
            raise NatsLost(unit.log)
        else:
            policy = self._plan.restarts
            self._report(
                f"{unit.name} {how}, crash {policy.crashes} in {policy.window_s:g} s, and stays down; the others "
                f"keep on. See {unit.log}, then `hone down` and `hone up`"
            )
        self._on_change()

    def _did_not_start(self, unit: Unit, why: str) -> DidNotStart:
        return DidNotStart(unit.name, why, unit.log, logs.last_lines(unit.log))

    def _stop(self, units: list[Unit]) -> None:
        for unit in units:
            if unit.pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(unit.pid, signal.SIGTERM)
        deadline = time.monotonic() + self._plan.stop_timeout_s
        while alive := [unit for unit in units if unit.pid is not None]:
            impatient = self._interrupts > 1  # Ctrl-C again
            if impatient or time.monotonic() > deadline:
                for unit in alive:
                    if unit.pid is not None and end_group(unit.pid, signal.SIGKILL) and not impatient:
                        self._report(f"{unit.name} did not stop in time and was killed")
            self._turn(time.monotonic() + 0.05)

    def _listen_to_signals(self) -> None:
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        signal.set_wakeup_fd(self._waker.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_stop_signal)
        signal.signal(signal.SIGCHLD, _do_nothing)

    def _on_stop_signal(self, number: int, _frame: FrameType | None) -> None:
        self._stopping = True
        self._interrupts += number == signal.SIGINT

    def _drain_wakeups(self) -> None:
        with suppress(BlockingIOError):
            while self._woken.recv(1024):
                pass


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """SIGCHLD only has to wake the selector."""
