"""Batches out of shards that a process of its own writes ahead of the training."""

import multiprocessing
import os
import threading
from collections.abc import Generator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.process import BaseProcess
from pathlib import Path

from hone_trainer.starter.corpus import Rows, read_shard, write_shard
from hone_trainer.starter.recipe import Recipe

AHEAD = 3


class ShardReader:
    """Rows in their order. A batch never spans two shards, so a place in the stream is (shard, row)."""

    def __init__(self, folder: Path, tokenizer: Path, recipe: Recipe, shard: int = 0, row: int = 0) -> None:
        self._folder = folder
        self._tokenizer = tokenizer
        self._recipe = recipe
        self.shard = shard
        self.row = row
        self._pending: dict[int, Future[None]] = {}

    def batches(self) -> Generator[Rows, None, None]:
        """Batches without end; `shard` and `row` always say where the next one begins."""
        self._folder.mkdir(parents=True, exist_ok=True)
        spawn = multiprocessing.get_context("spawn")  # a fork of a process with torch's threads may hang
        pool = ProcessPoolExecutor(1, mp_context=spawn, initializer=_start_writing)
        try:
            while True:
                yield from self._rest_of_shard(pool)
                self.shard, self.row = self.shard + 1, 0
        finally:
            pool.shutdown(cancel_futures=True)  # what is being written is waited for
            # Whoever goes on from here orders anew what was not begun.
            self._pending = {
                shard: future for shard, future in self._pending.items() if not future.cancelled()
            }

    def _rest_of_shard(self, pool: ProcessPoolExecutor) -> Generator[Rows, None, None]:
        for shard in range(self.shard, self.shard + AHEAD + 1):
            self._order(pool, shard)
        self._pending.pop(self.shard).result()
        rows = read_shard(self._path(self.shard))
        size = self._recipe.batch_rows
        while self.row + size <= len(rows.tokens):
            span = slice(self.row, self.row + size)
            self.row += size
            yield Rows(rows.tokens[span], rows.targets[span], rows.documents[span])

    def _order(self, pool: ProcessPoolExecutor, shard: int) -> None:
        if shard in self._pending:
            return
        if self._path(shard).exists():
            self._pending[shard] = Future()
            self._pending[shard].set_result(None)
            return
        recipe = self._recipe
        self._pending[shard] = pool.submit(
            write_shard,
            self._path(shard),
            self._tokenizer,
            shard,
            seed=recipe.seed,
            count=recipe.shard_samples,
            length=recipe.row_length,
        )

    def _path(self, shard: int) -> Path:
        return self._folder / f"{shard:05d}.npz"


def _start_writing() -> None:
    """The writer gives way to the training, and ends with it even where that was killed."""
    os.nice(5)
    training = multiprocessing.parent_process()
    if training is not None:
        threading.Thread(target=_end_after, args=(training,), daemon=True).start()


def _end_after(training: BaseProcess) -> None:
    training.join()
    os._exit(1)
