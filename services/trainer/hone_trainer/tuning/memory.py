"""How much memory a run may take, and how fast the machine multiplies."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from hone_trainer.tuning.base import DTYPES
from hone_trainer.tuning.machine_memory import Memory, of_machine

_SIDE = 768
_MEASURED_S = 0.15


def of_device(device: str) -> Memory:
    """A card's, or what this process may still take of the machine's."""
    if device == "cuda":
        free, total = torch.cuda.mem_get_info()
        return Memory(total, free)
    if device == "mps":
        most = torch.mps.recommended_max_memory()
        return Memory(most, most - torch.mps.driver_allocated_memory())
    return of_machine()


def speed(device: str, dtype: str, threads: int) -> float:
    """Floating-point operations a second of a product of matrices, as measured now."""
    with _threads(threads):
        left = torch.randn(_SIDE, _SIDE, device=device).to(DTYPES[dtype])
        if device == "cuda":
            left = left.repeat(4, 4)
        done, began = 0, 0.0
        for number in range(10_000):
            if number == 1:  # the first one loads and chooses its code
                _wait(device)
                done, began = 0, time.perf_counter()
            torch.mm(left, left)
            done += 1
            if number and number % 4 == 0:
                _wait(device)
                if time.perf_counter() - began >= _MEASURED_S:
                    break
        return 2.0 * left.shape[0] ** 3 * done / (time.perf_counter() - began)


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()
    elif device == "mps":
        torch.mps.synchronize()


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
