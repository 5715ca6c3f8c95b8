"""`hone up`: the steps from a data folder to everything running, and back."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from hone import __version__
from hone.launcher import child, logs, nats
from hone.launcher.datafolder import DataFolder, RunState
from hone.launcher.errors import PortTaken
from hone.launcher.guard import Guard
from hone.launcher.plan import GATEWAY, LaunchPlan, ServiceSpec
from hone.launcher.restarts import CrashHistory
from hone.launcher.supervisor import Supervisor
from hone.launcher.unit import Unit

_CUT_LOGS_EVERY_S = 60


class Audience(Protocol):
    """Who hears what happens: a terminal, or the process that detached us."""

    def progress(self, line: str) -> None: ...

    def ready(self, state: RunState) -> None: ...


def up(plan: LaunchPlan, audience: Audience, *, echo_warnings: bool) -> None:
    """Run everything until a signal says stop. The process must be single-threaded.

    Raises `LauncherError`; whatever was started is stopped by then.
    """
    os.umask(0o077)
    data = DataFolder(plan.data)
    data.create()
    lock = data.lock()
    try:
        _Run(plan, data, lock, audience).go(echo_warnings)
    finally:
        os.ftruncate(lock, 0)
        os.close(lock)


class _Run:
    def __init__(self, plan: LaunchPlan, data: DataFolder, lock: int, audience: Audience) -> None:
        self._plan = plan
        self._data = data
        self._audience = audience
        self._end_leftovers()
        self._sockets = {
            service.name: _listen(plan.port if service.name == GATEWAY else 0) for service in plan.services
        }
        self._server = nats.NatsServer(nats.find_program(), data)
        self._server.write_config()
        # Forked before anything is imported: it stays small.
        self._supervisor = Supervisor(plan, Guard(lock), self._report, self._write_state)
        self._nats = self._nats_unit()
        self._services = [self._service_unit(service) for service in plan.services]
        self._state = self._first_state()

    def go(self, echo_warnings: bool) -> None:
        supervisor = self._supervisor
        keep_house = self._housekeeping(echo_warnings)
        try:
            supervisor.start(self._nats)
            self._write_state()
            supervisor.preload(self._plan.preload)  # while NATS starts
            supervisor.wait_until_ready([self._nats])
            for unit in self._services:
                supervisor.start(unit)
            supervisor.wait_until_ready(self._services)
            self._audience.ready(self._state)
            supervisor.run(keep_house)
        finally:
            supervisor.stop_all()
            self._data.state_file.unlink(missing_ok=True)
        self._report("stopped")

    def _end_leftovers(self) -> None:
        old = self._data.read_state()
        config = self._data.run / "nats.conf"
        if old and "pid" in old.nats and nats.stop_stale(old.nats["pid"], config):
            self._report(f"ended nats-server {old.nats['pid']}, which an earlier run had left behind")

    def _nats_unit(self) -> Unit:
        server = self._server
        log = self._data.log_of(nats.NAME)

        def start() -> int:
            server.forget_old_ports()  # of the one that crashed, now or in an earlier run
            return child.fork(child.run_program(server.arguments(), {}), log=log)

        return Unit(nats.NAME, log, start, CrashHistory(self._plan.restarts), is_up=server.learn_port)

    def _service_unit(self, service: ServiceSpec) -> Unit:
        sock = self._sockets[service.name]
        log = self._data.log_of(service.name)

        def start() -> int:
            body = child.run_service(service, sock, self._environment(service.name))
            return child.fork(body, keep=(sock.fileno(),), log=log)

        port = sock.getsockname()[1]
        return Unit(service.name, log, start, CrashHistory(self._plan.restarts), port=port, sock=sock)

    def _environment(self, service: str) -> dict[str, str]:
        """What a service learns beyond the environment of `hone up` itself."""
        # The others read strangers' files and texts, and have no use for the key.
        key = {"HONE_ADMIN_KEY": self._data.admin_key()} if service == GATEWAY else {}
        return {
            **key,
            "HONE_NATS_URL": self._server.url,
            "HONE_DATA_DIR": str(self._data.root),
            "HONE_STARTER_DIR": str(self._plan.starter_dir),
            # Shorter than the launcher's own patience, so that services end by themselves.
            "HONE_GRACEFUL_TIMEOUT_S": os.environ.get("HONE_GRACEFUL_TIMEOUT_S", "5"),
            "HONE_TRAINING_SAVE_S": os.environ.get("HONE_TRAINING_SAVE_S", "12"),
        }

    def _first_state(self) -> RunState:
        port = self._sockets[GATEWAY].getsockname()[1]
        self._data.admin_key()
        return RunState(
            pid=os.getpid(),
            version=__version__,
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            url=f"http://127.0.0.1:{port}",
            data=str(self._data.root),
            key_file=str(self._data.admin_key_file),
            logs=str(self._data.logs),
        )

    def _write_state(self) -> None:
        self._state.nats = {"pid": self._nats.pid, "port": self._server.port, "url": self._server.url}
        self._state.services = {
            unit.name: {"pid": unit.pid, "port": unit.port, "state": unit.state, "restarts": unit.restarts}
            for unit in self._services
        }
        self._data.write_state(self._state)

    def _report(self, line: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._data.log_of("hone").open("a", encoding="utf-8") as log:
            log.write(f"{now} {line}\n")
        self._audience.progress(line)

    def _housekeeping(self, echo_warnings: bool) -> Callable[[], None]:
        names = [unit.name for unit in (self._nats, *self._services)]
        watched = {name: logs.Warnings(self._data.log_of(name)) for name in names} if echo_warnings else {}
        cut_at = time.monotonic() + _CUT_LOGS_EVERY_S

        def keep_house() -> None:
            nonlocal cut_at
            for name, warnings in watched.items():
                for line in warnings.new():
                    self._audience.progress(f"[{name}] {line}")
            if time.monotonic() > cut_at:
                cut_at = time.monotonic() + _CUT_LOGS_EVERY_S
                for name in (*names, "hone"):
                    logs.cut_when_long(self._data.log_of(name))

        return keep_house


def _listen(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind(("127.0.0.1", port))
        sock.listen(2048)
    except OSError as error:
        sock.close()
        why = "it is taken" if error.errno == errno.EADDRINUSE else os.strerror(error.errno or 0)
        raise PortTaken(port, why) from error
    return sock
