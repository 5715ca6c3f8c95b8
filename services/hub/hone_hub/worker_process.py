"""Runs a worker process for one piece of work, follows it, and never leaves it behind.

A process of its own: model files are a stranger's, and what reads them may be killed for its memory; what loads
numpy goes away again with it.
"""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from hone_hub.errors import TookTooLong, WorkerDied
from hone_hub.refusals import Refused
from hone_hub.work import Step, Told, Work

OnStep = Callable[[Step], Awaitable[None]]

_LINE_LIMIT_BYTES = 64 << 20  # a report carries the file's metadata
_STDERR_LINES = 5
_CLEAN_UP_S = 15.0  # longer than the worker gives itself


async def run(work: Work, on_step: OnStep) -> dict[str, Any]:
    """The report of ``work``. Raises Refused with the worker's reason, or because it died."""
    async with _worker(work.worker) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        last_words = asyncio.create_task(_last_lines(process.stderr))
        process.stdin.write(work.model_dump_json().encode() + b"\n")
        async for line in process.stdout:
            told = Told.model_validate_json(line)
            if told.step is not None:
                await on_step(told.step)
            if told.error is not None:
                raise Refused.told(told.error)
            if told.report is not None:
                return told.report
        raise Refused.because(WorkerDied(await process.wait(), await last_words))


async def run_within(limit_s: float, work: Work) -> dict[str, Any]:
    """As ``run``, for a question that waits for its answer."""
    try:
        async with asyncio.timeout(limit_s):
            return await run(work, _nobody_watches)
    except TimeoutError as error:
        raise Refused.because(TookTooLong(limit_s)) from error


@asynccontextmanager
async def _worker(module: str) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # what lies in the working directory is not imported
        "-m",
        module,
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        limit=_LINE_LIMIT_BYTES,
        start_new_session=True,  # Ctrl-C in the hub's terminal is for the hub, which then tells the worker
        env={name: value for name, value in os.environ.items() if not name.startswith("HONE_")},
    )
    try:
        yield process
    finally:
        await _stop(process)


async def _stop(process: Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(_CLEAN_UP_S):
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()


async def _last_lines(stream: asyncio.StreamReader) -> str:
    lines: deque[str] = deque(maxlen=_STDERR_LINES)
    async for line in stream:
        lines.append(line.decode(errors="replace").strip()[:200])
    return " / ".join(line for line in lines if line)


async def _nobody_watches(_step: Step) -> None:
    return
