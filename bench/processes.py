"""Memory of processes as Linux counts it (/proc/PID/smaps_rollup)."""

from pathlib import Path


def tree(pid: int) -> list[int]:
    """The process and everything below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(below for child in children for below in tree(int(child)))]


def memory_mib(pid: int) -> dict[str, float]:
    """``rss``; and ``pss``, which counts a page shared by n processes as 1/n in each."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    fields = dict(line.split(":", 1) for line in lines)
    return {name: int(fields[name.capitalize()].split()[0]) / 1024 for name in ("rss", "pss")}


def pss_mib(pid: int) -> float:
    """Of the whole tree."""
    return sum(memory_mib(each)["pss"] for each in tree(pid))
