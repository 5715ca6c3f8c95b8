"""How much memory this process may take of the machine, or of the container that it is in."""

from dataclasses import dataclass
from pathlib import Path

import psutil

_GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Memory:
    total_bytes: int
    free_bytes: int


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
