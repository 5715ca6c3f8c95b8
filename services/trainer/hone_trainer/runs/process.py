"""Runs the process that changes weights, and passes on what it tells."""

import asyncio
import os
from asyncio.subprocess import Process
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from hone_chassis import ProgressPublisher
from hone_chassis.logs import get_logger
from hone_contracts.errors import ErrorBody
from hone_trainer.errors import ProcessFailed
from hone_trainer.finetune.events import Line

log = get_logger(__name__)

_LONGEST_LINE = 1 << 20
_ERRORS_KEPT = 30
_ENDS_WITHIN_S = 5.0


async def run(command: Sequence[str], progress: ProgressPublisher) -> dict[str, Any]:
    """The figures that the process ends with. It ends with whoever waits for it, too. Raises ProcessFailed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
        env=os.environ | {"TOKENIZERS_PARALLELISM": "false"},
    )
    errors: deque[str] = deque(maxlen=_ERRORS_KEPT)
    reading = asyncio.create_task(_read_errors(process, errors))
    try:
        last = await _follow(process, progress)
        await process.wait()
        await reading
    finally:
        await _end(process)
        reading.cancel()
    if last is not None and last.stage == "finished" and process.returncode == 0:
        return last.figures
    raise ProcessFailed(_error(last, process.returncode, "\n".join(errors)))


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
        await progress(last.stage, last.message[:500], done=last.done, total=last.total or None)


async def _read_errors(process: Process, errors: deque[str]) -> None:
    assert process.stderr is not None
    while text := await process.stderr.read(1 << 16):
        errors.extend(text[-4_000:].decode("utf-8", "replace").splitlines())


async def _end(process: Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_ENDS_WITHIN_S):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


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
