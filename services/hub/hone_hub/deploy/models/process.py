"""A process for one piece of work on files, as ``hone_hub.worker_process`` starts and follows it."""

import io
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import BaseModel

from hone_hub.error_bodies import body_of
from hone_hub.errors import HubError
from hone_hub.work import Step, Told

_TELL_EVERY_S = 0.2

W = TypeVar("W", bound=BaseModel)

Tell = Callable[[str, int, int], None]
"""Name, bytes done, bytes of all."""


def serve(kind: type[W], do: Callable[[W, Tell], dict[str, Any]], stage: str) -> None:
    """Reads its order from the first line of stdin, writes ``Told`` lines to stdout, and ends when stdin closes."""
    orders = io.FileIO(0)
    work = kind.model_validate_json(orders.readline())
    threading.Thread(target=_end_when_closed, args=[orders], daemon=True).start()
    told_at = time.monotonic()

    def tell(name: str, done: int, total: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= _TELL_EVERY_S:
            told_at = time.monotonic()
            _write(Told(step=Step(stage=stage, message=name, done=done, total=total)))

    try:
        _write(Told(report=do(work, tell)))
    except HubError as error:
        _write(Told(error=body_of(error)))
    os._exit(0)  # not waiting for the thread, which waits for its orders to close


def _write(told: Told) -> None:
    sys.stdout.write(told.model_dump_json(exclude_none=True) + "\n")
    sys.stdout.flush()


def _end_when_closed(orders: io.FileIO) -> None:
    while orders.read(1):
        continue
    os._exit(1)
