"""What this machine can train with, found out in milliseconds and without importing torch."""

import asyncio
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from hone_chassis.logs import get_logger
from hone_contracts.training import Method, WorkerEnvironment
from hone_trainer import finetune

log = get_logger(__name__)

_ASKED_WITHIN_S = 10.0
_MIB = 1 << 20


@dataclass(frozen=True)
class Card:
    name: str
    total_bytes: int
    free_bytes: int


def card() -> Card | None:
    """The card with the most memory that torch here could use; None without a driver, a card or torch for CUDA."""
    if not torch_is_for_cuda():
        return None
    return max(_cards(), key=lambda each: each.total_bytes, default=None)


def torch_is_for_cuda() -> bool:
    """By what torch says of itself in a file: importing it takes seconds and hundreds of megabytes."""
    found = importlib.util.find_spec("torch")
    if found is None or found.origin is None:
        return False
    try:
        told = (Path(found.origin).parent / "version.py").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return re.search(r"^cuda\b[^=\n]*=\s*['\"]\d", told, re.MULTILINE) is not None


def _cards() -> list[Card]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    question = [program, "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits"]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        # As CUDA reads it: the cards up to the first that is none.
        named = list(takewhile(lambda each: each not in ("", "-1"), map(str.strip, visible.split(","))))
        if not named:
            return []
        question.append(f"--id={','.join(named)}")
    try:
        told = subprocess.run(
            question, capture_output=True, text=True, timeout=_ASKED_WITHIN_S, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        log.warning("the driver does not tell of its cards", error=str(error)[:300])
        return []
    return list(filter(None, map(_card, told.splitlines())))


def _card(line: str) -> Card | None:
    """None for what tells no memory, as a card that is cut into parts does."""
    name, _, rest = line.partition(",")
    numbers = re.findall(r"\d+", rest)
    if len(numbers) != 2:
        return None
    total, free = (int(number) * _MIB for number in numbers)
    return Card(name.strip()[:80], total, free)


def look() -> WorkerEnvironment:
    """``worker`` is named by whoever tells of it."""
    found = card()
    mps = sys.platform == "darwin" and os.uname().machine == "arm64"
    return WorkerEnvironment(
        worker="",
        device="cuda" if found else "mps" if mps else "cpu",
        card=found.name if found else "",
        card_bytes=found.total_bytes if found else 0,
        free_card_bytes=found.free_bytes if found else 0,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        methods=methods(),
    )


async def looked() -> WorkerEnvironment:
    return await asyncio.to_thread(look)


def methods() -> tuple[Method, ...]:
    """That could run here, by the packages that are installed."""
    from hone_trainer import tuning  # noqa: PLC0415

    found: list[Method] = ["few_shot"]
    if not finetune.missing():
        found.append("full")
    if not tuning.missing():
        found += ["lora", "qlora", "kto"]
    return tuple(found)
