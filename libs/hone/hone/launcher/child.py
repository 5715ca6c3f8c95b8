"""How a process of Hone is forked, and what it does before its own work begins.

Every child leads a process group of its own: Ctrl-C in the terminal reaches the supervisor alone, which stops
things in order, and whatever a service started itself (node, a training run) can be ended with it.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from hone.launcher.plan import ServiceSpec

SUPERVISED_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)

_PR_SET_PDEATHSIG = 1
# Loaded before any fork: a child should not have to open a library before it is safe.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def fork(
    body: Callable[[], int], *, keep: tuple[int, ...] = (), log: Path | None = None, outlives_us: bool = False
) -> int:
    """Run `body` in a child and return its pid; the child's exit code is what `body` returns.

    keep: descriptors the child needs besides stdin (which becomes /dev/null), stdout and stderr (which go to `log`).
    outlives_us: do not die with this process.
    """
    parent = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    # A SIGTERM between the fork and the reset would reach the supervisor's handler in the child and be lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, SUPERVISED_SIGNALS)
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, SUPERVISED_SIGNALS)
        with suppress(ProcessLookupError, PermissionError):  # the child has done it, or is gone already
            os.setpgid(pid, pid)
        return pid
    code = 70
    try:
        if not outlives_us:
            _die_with(parent)
        _settle(keep, log)
        code = body()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:  # noqa: BLE001 - a process's edge: uncaught, it would run on as a second supervisor
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def _die_with(parent: int) -> None:
    """Have Linux kill this process when its parent ends, however it ends."""
    if _libc is None:
        return
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before the request
        os._exit(1)


def run_service(
    service: ServiceSpec, sock: socket.socket, environment: Mapping[str, str]
) -> Callable[[], int]:
    def body() -> int:
        os.environ.update(environment)
        module, function = service.entry.split(":")
        getattr(importlib.import_module(module), function)(service.target, sock)
        return 0

    return body


def run_program(arguments: list[str], environment: Mapping[str, str]) -> Callable[[], int]:
    def body() -> int:
        os.execve(arguments[0], arguments, {**os.environ, **environment})  # noqa: S606 - no shell is meant

    return body


def exit_text(status: int) -> str:
    """A `waitpid` status in words."""
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def _settle(keep: tuple[int, ...], log: Path | None) -> None:
    with suppress(PermissionError):  # the parent has done it
        os.setpgid(0, 0)
    signal.set_wakeup_fd(-1)
    for number in SUPERVISED_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SUPERVISED_SIGNALS)
    _redirect(log)
    # The lock, the guard's pipe and the other services' sockets must end with the supervisor, not with us. Python's
    # objects for them stay alive in the frames above us until `os._exit`, so none closes a number that was reused.
    for descriptor in (int(name) for name in os.listdir("/dev/fd")):  # noqa: PTH208 - no Path per descriptor
        if descriptor > 2 and descriptor not in keep:
            with suppress(OSError):  # the one that listed the folder
                os.close(descriptor)


def _redirect(log: Path | None) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    target = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600) if log else null
    os.dup2(target, 1)
    os.dup2(target, 2)
