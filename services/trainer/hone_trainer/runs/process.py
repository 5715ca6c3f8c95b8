"""Runs the process that changes weights, passes on what it tells, and ends it in good order."""

import asyncio
import ctypes
import os
import signal
import sys
from asyncio.subprocess import Process
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hone_chassis import ProgressPublisher
from hone_chassis.logs import get_logger
from hone_contracts.errors import ErrorBody
from hone_trainer.errors import ProcessDied, ProcessFailed
from hone_trainer.runs.holding import Hold

log = get_logger(__name__)

_LONGEST_LINE = 1 << 20
_ERRORS_KEPT = 30
_ENDS_WITHIN_S = 5.0
_ENDS = frozenset({"finished", "failed", "cancelled"})
_MOST_FIGURES = 24
_MOST_FIGURE = 1e300  # and no NaN, which is never less than anything

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded before any fork


class Stopped(Exception):
    """The process was asked to end before it had finished, and did."""


class Line(BaseModel):
    """What any training process tells: `finetune.events` and `tuning.events` write such lines."""

    model_config = ConfigDict(frozen=True)

    stage: str = Field(max_length=80)
    done: int = 0
    total: int = 0
    message: str = ""
    error: ErrorBody | None = None
    figures: dict[str, Any] = {}


async def run(
    command: Sequence[str],
    progress: ProgressPublisher,
    hold: Hold | None = None,
    control: Path | None = None,
    give_up: asyncio.Event | None = None,
) -> dict[str, Any]:
    """The figures that the process ends with. It ends with whoever waits for it, too: asked by SIGTERM, and by force
    when it takes longer than ``hold`` allows (5 s without one).

    ``control``: the file in which the process finds the word `stop` when ``hold.stop`` is set. ``give_up``: at this
    event it is asked to end, as if it were paused. Raises ProcessFailed; ProcessDied when it was ended from outside
    and keeps checkpoints; Stopped after ``give_up``.
    """
    if hold is not None:
        hold.check()
    process = await _started(command)
    errors: deque[str] = deque(maxlen=_ERRORS_KEPT)
    reading = asyncio.create_task(_read_errors(process, errors))
    try:
        with _steered(process, hold, control, give_up):
            last = await _follow(process, progress)
            await process.wait()
        await reading
    finally:
        await _end(process, _ENDS_WITHIN_S if hold is None else hold.ends_within_s)
        reading.cancel()
    if last is not None and last.stage == "finished" and process.returncode == 0:
        return last.figures
    if give_up is not None and give_up.is_set() and _ended_as_asked(last, process):
        raise Stopped
    error = _error(last, process.returncode, "\n".join(errors))
    if hold is not None and hold.checkpoints and _was_ended(last, process, error):
        raise ProcessDied(error)
    raise ProcessFailed(error)


async def _started(command: Sequence[str]) -> Process:
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
        env=os.environ | {"TOKENIZERS_PARALLELISM": "false"},
        preexec_fn=_dying_with(os.getpid()),
    )


def _dying_with(parent: int) -> Callable[[], None]:
    """A worker that was killed must leave nothing behind that still trains: its run is another's by then."""

    def ask_for_it() -> None:
        if _libc is not None:
            _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:  # it ended before the request
                os._exit(1)

    return ask_for_it


@contextmanager
def _steered(
    process: Process, hold: Hold | None, control: Path | None, give_up: asyncio.Event | None
) -> Iterator[None]:
    tasks = []
    if hold is not None and control is not None:
        tasks.append(asyncio.create_task(_pass_on_stop(hold.stop, control)))
    if give_up is not None:
        tasks.append(asyncio.create_task(_terminate_at(give_up, process)))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()


async def _pass_on_stop(stop: asyncio.Event, control: Path) -> None:
    await stop.wait()
    whole = control.with_suffix(".part")
    try:
        whole.write_text("stop\n", encoding="ascii")
        whole.replace(control)
    except OSError as error:  # it goes on to its usual end
        log.warning("a run cannot be told to end early", control=str(control), error=str(error))


async def _terminate_at(event: asyncio.Event, process: Process) -> None:
    await event.wait()
    with suppress(ProcessLookupError):
        process.terminate()


async def _follow(process: Process, progress: ProgressPublisher) -> Line | None:
    """Tell every line until the output ends; the last one."""
    assert process.stdout is not None
    last = None
    while True:
        try:
            text = await process.stdout.readline()
        except ValueError:  # longer than any line of ours
            log.warning("a line of the training process is too long")
            continue
        if not text:
            return last
        try:
            last = Line.model_validate_json(text)
        except ValidationError:
            log.warning(
                "the training process said something else", text=text[:200].decode("utf-8", "replace")
            )
            continue
        if last.stage in _ENDS:
            continue  # of this process, not of the run
        await progress(
            last.stage,
            last.message[:500],
            done=last.done,
            total=last.total or None,
            figures=_numbers(last.figures),
        )


def _numbers(figures: Mapping[str, Any]) -> dict[str, float]:
    """Those that JSON can say and anybody can draw."""
    numbers = {
        name[:60]: value
        for name, value in figures.items()
        if isinstance(value, int | float) and abs(value) < _MOST_FIGURE and not isinstance(value, bool)
    }
    return dict(list(numbers.items())[:_MOST_FIGURES])


async def _read_errors(process: Process, errors: deque[str]) -> None:
    assert process.stderr is not None
    while text := await process.stderr.read(1 << 16):
        errors.extend(text[-4_000:].decode("utf-8", "replace").splitlines())


async def _end(process: Process, within_s: float) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await process.wait()
    finally:  # also when it is waited for no longer
        if process.returncode is None:
            _kill(process)
            await process.wait()


def _kill(process: Process) -> None:
    """And what it started itself: the processes of several that train together would wait for it for minutes."""
    below = []
    with suppress(ImportError, OSError):
        import psutil  # noqa: PLC0415 - comes with the training packages

        with suppress(psutil.Error):
            below = psutil.Process(process.pid).children(recursive=True)
    with suppress(ProcessLookupError):
        process.kill()
    for each in below:
        with suppress(psutil.Error):
            each.kill()


def _ended_as_asked(last: Line | None, process: Process) -> bool:
    told = last is not None and last.stage == "cancelled"
    return told or process.returncode in (-signal.SIGTERM, 128 + signal.SIGTERM)


def _was_ended(last: Line | None, process: Process, error: ErrorBody) -> bool:
    """By a signal that was not ours: for want of memory, by the machine that shuts down. Of several that train
    together, it may have been another."""
    silent = last is None or last.error is None
    return error.code == "tuning_processes_lost" or (
        silent and (_ended_as_asked(last, process) or (process.returncode or 0) < 0)
    )


def _error(last: Line | None, returncode: int | None, errors: str) -> ErrorBody:
    if last is not None and last.error is not None:
        return last.error
    how = (
        f"was killed by signal {-returncode}"
        if returncode is not None and returncode < 0
        else f"ended with {returncode}"
    )
    hint = "; a killed process often means that the machine ran out of memory" if returncode == -9 else ""
    return ErrorBody(
        code="training_process_failed",
        title="The training process failed",
        detail=f"it {how}{hint}. Its last words: {errors[-1500:] or 'none'}",
        status=500,
    )
