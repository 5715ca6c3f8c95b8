"""Rows to arrays, some hundred rows at a time: here, or in several processes beside each other."""

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hone_trainer.tuning.data.chat import Chat
from hone_trainer.tuning.data.masks import LeftOut, Masker, TrainingSequence
from hone_trainer.tuning.data.rows import Kind, Row, row_of
from hone_trainer.tuning.errors import RowsInvalid, TokenisingStopped

CHUNK_ROWS = 512
CHUNK_BYTES = 1 << 20
ALONE_BELOW_BYTES = 8 << 20
"""Of a file: one process has read it by the time that others have started."""

_AHEAD = 3  # chunks a process: what waits is what memory holds
_MOST_PROCESSES = 16

Lines = list[tuple[int, bytes]]


@dataclass(frozen=True)
class Making:
    """How rows become sequences."""

    chat: Chat
    kind: Kind
    most_tokens: int


@dataclass
class Made:
    """Sequences of a chunk, one after the other. ``labels`` are 0 where rows have none."""

    tokens: NDArray[np.int32]
    trained: NDArray[np.bool_]
    lengths: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    labels: list[bool] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    read: int = 0
    wrong: tuple[int, str] | None = None


def made_of(path: Path, lines: Iterable[tuple[int, bytes]], making: Making, processes: int) -> Iterator[Made]:
    """The chunks of a file in its order. Raises RowsInvalid, TokenisingStopped."""
    chunks = _chunks(lines)
    for made in _here(chunks, making) if processes <= 1 else _beside(path, chunks, making, processes):
        if made.wrong is not None:
            raise RowsInvalid(path, *made.wrong)
        yield made


def processes_for(size_bytes: int) -> int:
    """How many read a file of this size."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 1 if size_bytes < ALONE_BELOW_BYTES else min(cores, _MOST_PROCESSES)


def _chunks(lines: Iterable[tuple[int, bytes]]) -> Iterator[Lines]:
    chunk: Lines = []
    size = 0
    for number, line in lines:
        chunk.append((number, line))
        size += len(line)
        if len(chunk) == CHUNK_ROWS or size >= CHUNK_BYTES:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _here(chunks: Iterator[Lines], making: Making) -> Iterator[Made]:
    masker = Masker(making.chat, making.most_tokens)
    return (make(chunk, masker, making.kind) for chunk in chunks)


def _beside(path: Path, chunks: Iterator[Lines], making: Making, processes: int) -> Iterator[Made]:
    # Not forked: a process that has threads of torch does not survive that for sure.
    spawn = multiprocessing.get_context("spawn")
    waiting: deque[Future[Made]] = deque()
    pool = ProcessPoolExecutor(processes, spawn, _Maker.begin, (making,))
    try:
        for chunk in chunks:
            waiting.append(pool.submit(_Maker.make, chunk))
            if len(waiting) >= processes * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise TokenisingStopped(path) from error
    finally:
        pool.shutdown(cancel_futures=True)


class _Maker:
    """What a process of the pool has."""

    masker: Masker
    kind: Kind

    @classmethod
    def begin(cls, making: Making) -> None:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the processes are as many as the cores
        cls.masker, cls.kind = Masker(making.chat, making.most_tokens), making.kind
        threading.Thread(target=_end_with_parent, daemon=True).start()

    @classmethod
    def make(cls, chunk: Lines) -> Made:
        return make(chunk, cls.masker, cls.kind)


def _end_with_parent() -> None:
    """A parent that is killed tells its pool nothing, and this process would wait for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def make(chunk: Lines, masker: Masker, kind: Kind) -> Made:
    """``wrong`` names the first row that is none, and nothing else is there then."""
    rows: list[Row] = []
    for number, line in chunk:
        row = row_of(number, line, kind)
        if isinstance(row, str):
            return Made(np.empty(0, np.int32), np.empty(0, np.bool_), wrong=(number, row))
        rows.append(row)
    found = list(masker.sequences(rows))
    sequences = [each for each in found if isinstance(each, TrainingSequence)]
    return Made(
        tokens=np.concatenate([np.empty(0, np.int32), *(each.tokens for each in sequences)]),
        trained=np.concatenate([np.empty(0, np.bool_), *(each.trained for each in sequences)]),
        lengths=[len(each.tokens) for each in sequences],
        weights=[each.row.weight for each in sequences],
        labels=[bool(each.row.label) for each in sequences],
        rows=[each.row.number for each in sequences],
        groups=[each.row.group for each in sequences],
        left_out=[each for each in found if isinstance(each, LeftOut)],
        read=len(rows),
    )
