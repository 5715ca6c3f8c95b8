"""Starts the processes that train together on this machine, passes on what the first tells, and says how it ended.

torchrun starts them (`hone_trainer.tuning.rank`), one a card. Several machines run the same command on the same spec,
whose folder they share, and meet at ``rendezvous``. Each process tells its lines into a file of its own, for a stream
that several write to is nobody's.
"""

import ctypes
import hashlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hone_trainer.errors import ProcessFailed
from hone_trainer.finetune.events import Line
from hone_trainer.tuning.errors import Cancelled, LauncherMissing, ProcessesLost
from hone_trainer.tuning.settings import Settings
from hone_trainer.tuning.spec import Spec

Tell = Callable[[Line], None]
Ending = Callable[[], bool]
CRASHED = "tuning_crashed"
"""The code of an error that is none of ours."""

_LOOK_EVERY_S = 0.1
_ENDS_WITHIN_S = 120  # a step and a checkpoint; then torchrun ends them by force
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def is_wanted(settings: Settings) -> bool:
    """Whether a run with these settings is one of several processes, and this process is none of them yet."""
    return settings.processes * settings.nodes > 1 and "RANK" not in os.environ


def check(settings: Settings) -> None:
    """Before time is spent. Raises LauncherMissing."""
    if settings.launcher == "ray" and importlib.util.find_spec("ray") is None:
        raise LauncherMissing("ray", "ray")


def launch(spec: Spec, path: Path, tell: Tell, ending: Ending) -> dict[str, Any]:
    """Train in as many processes as the spec says, until all have ended. Returns the figures of the first.

    ``ending``: was this process asked to end? Raises Cancelled, ProcessFailed, ProcessesLost,
    LauncherMissing, LauncherFailed.
    """
    settings = spec.resolved().settings
    check(settings)
    if settings.launcher == "ray":
        from hone_trainer.tuning.ray import launch as launch_on_ray  # noqa: PLC0415 - an extra

        return launch_on_ray(spec, path, settings, tell, ending)
    told = fresh(spec.folder / "processes" / socket.gethostname())
    process = subprocess.Popen(
        torchrun(path, told, settings),
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),  # libraries print; our own output is for lines alone
        preexec_fn=end_with_parent,  # noqa: PLW1509 - one system call, and nothing of ours is held by a thread
    )
    asked, first = False, Told(told / "0.jsonl")
    try:
        while process.poll() is None:
            first.pass_on(tell)
            if ending() and not asked:
                asked = True
                process.terminate()  # which torchrun hands on
            time.sleep(_LOOK_EVERY_S)
        first.pass_on(tell)
    finally:
        _end(process)
    return outcome([last_of(told / f"{rank}.jsonl") for rank in range(settings.processes)])


def torchrun(path: Path, told: Path, settings: Settings) -> list[str]:
    """Its command, with this interpreter."""
    meeting = ["--standalone"]
    if settings.nodes > 1:
        # All machines read one spec, and another run that comes to the same place by mistake reads another.
        run = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        meeting = [
            f"--nnodes={settings.nodes}", "--rdzv-backend=c10d", f"--rdzv-endpoint={settings.rendezvous}",
            f"--rdzv-id=hone-{run}",
        ]  # fmt: skip
    return [
        sys.executable, "-m", "torch.distributed.run", *meeting, f"--nproc-per-node={settings.processes}",
        "--max-restarts=0", f"--shutdown-timeout={_ENDS_WITHIN_S}",
        "-m", "hone_trainer.tuning.rank", "--spec", str(path), "--told", str(told),
    ]  # fmt: skip


def fresh(folder: Path) -> Path:
    """Empty: what processes before these told is not taken for theirs."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


class Told:
    """A file of lines, read as it grows."""

    def __init__(self, path: Path) -> None:
        self._path, self._read, self._rest = path, 0, b""

    def pass_on(self, tell: Tell) -> None:
        """What is new, but the last line: how the run ended is for all processes together to say."""
        for line in self._new():
            if not line.is_last:
                tell(line)

    def _new(self) -> Iterator[Line]:
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._read)
                piece = stream.read()
        except OSError:
            return  # not begun yet
        self._read += len(piece)
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for raw in lines:
            yield Line.model_validate_json(raw)


def last_of(path: Path) -> tuple[Line | None, int]:
    """The last line of a process that has ended, and when it was written, ns; None where it ended without one."""
    try:
        raw = path.read_bytes().rstrip(b"\n").rpartition(b"\n")[2]
        line = Line.model_validate_json(raw)
        return (line if line.is_last else None), path.stat().st_mtime_ns
    except (OSError, ValidationError):
        return None, 0


def outcome(lasts: Sequence[tuple[Line | None, int]]) -> dict[str, Any]:
    """How processes that trained together ended, by the last line of each: the figures of the first one.

    One that fails takes the others with it: they lose their connection, or are asked to end. What is told is what was
    first. Raises ProcessFailed, ProcessesLost, Cancelled.
    """
    ends = [(written, line) for line, written in lasts if line is not None]
    failed = [line for _, line in sorted(ends, key=lambda each: each[0]) if line.error is not None]
    known = [line.error for line in failed if line.error and line.error.code != CRASHED]
    lost = [str(rank) for rank, (line, _) in enumerate(lasts) if line is None]
    if known:
        raise ProcessFailed(known[0])
    if lost:
        raise ProcessesLost(f"{', '.join(lost)} of 0 to {len(lasts) - 1}")
    if failed and failed[0].error is not None:
        raise ProcessFailed(failed[0].error)
    if any(line.stage == "cancelled" for _, line in ends):
        raise Cancelled
    return dict(ends[0][1].figures)


def end_with_parent() -> None:
    """Of a run that is another's by now, no process may train on."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() == 1:  # it had ended already
            os.kill(os.getpid(), signal.SIGKILL)


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
