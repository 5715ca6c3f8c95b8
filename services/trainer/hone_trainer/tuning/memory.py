"""How much memory a run may take, and how fast the machine multiplies."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from hone_trainer.tuning.base import DTYPES

_GROUPS = Path("/sys/fs/cgroup")
_SIDE = 768
_MEASURED_S = 0.15


@dataclass(frozen=True)
class Memory:
    total_bytes: int
    free_bytes: int


def of_device(device: str) -> Memory:
    """A card's, or what this process may still take of the machine's."""
    if device == "cuda":
        free, total = torch.cuda.mem_get_info()
        return Memory(total, free)
    if device == "mps":
        most = torch.mps.recommended_max_memory()
        return Memory(most, most - torch.mps.driver_allocated_memory())
    return of_machine()


def of_machine(groups: Path = _GROUPS) -> Memory:
    """Of the machine, or of the container that this process is in, whichever is less."""
    memory = psutil.virtual_memory()
    limit = _number(groups / "memory.max") or _number(groups / "memory" / "memory.limit_in_bytes")
    if limit is None or limit >= memory.total:
        return Memory(memory.total, memory.available)
    used = _number(groups / "memory.current") or _number(groups / "memory" / "memory.usage_in_bytes") or 0
    # Pages of files that nothing uses now are given up before anything else is.
    free = limit - used + _reclaimable(groups / "memory.stat")
    return Memory(limit, max(0, min(free, memory.available, limit)))


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


def _number(path: Path) -> int | None:
    """None where there is no such file, or no limit (`max`)."""
    try:
        return int(path.read_text("ascii"))
    except (OSError, ValueError):
        return None


def _reclaimable(path: Path) -> int:
    try:
        lines = path.read_text("ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
