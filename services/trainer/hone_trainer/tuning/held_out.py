"""Rows that are kept back where nobody named any: whole groups, so that near-duplicates stay on one side."""

import json
from hashlib import sha256
from pathlib import Path

from hone_trainer.tuning.data.rows import MAX_ROW_BYTES


def keep_back(rows: Path, share: float, seed: int, train: Path, held_out: Path) -> None:
    """Write the two sides of ``rows``. A group's side depends on its name, the seed and the share alone, so that a
    row that is added moves no other. A row without a group is a group of its own."""
    with rows.open("rb") as source, train.open("wb") as taught, held_out.open("wb") as kept:
        while line := source.readline(MAX_ROW_BYTES):
            (kept if _place(line, seed) < share else taught).write(line)


def _place(line: bytes, seed: int) -> float:
    """Between 0 and 1."""
    try:
        group = json.loads(line).get("group") or ""
    except (ValueError, AttributeError, RecursionError):
        group = ""  # refused where rows are read, on whichever side it is
    key = str(group).encode() or line
    return int.from_bytes(sha256(b"%d " % seed + key).digest()[:8], "big") / 2**64
