"""The pool as this process reads it: JSON lines of what the model is asked and should answer."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hone_trainer.finetune.errors import PairsInvalid

MAX_FILE_BYTES = 256 << 20
MAX_PAIRS = 100_000
MAX_TEXT_CHARS = 20_000


class Pair(BaseModel):
    """One passage. `group` is the artifact it comes from: pairs of a group stay on one side of the held-back line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    system: str | None = Field(default=None, max_length=MAX_TEXT_CHARS)
    user: str = Field(max_length=MAX_TEXT_CHARS)
    assistant: str = Field(min_length=1, max_length=MAX_TEXT_CHARS)
    weight: float = Field(default=1.0, gt=0, le=100)
    """What an error in this answer costs, beside 1 for one of the starter's own corpus."""

    group: str = ""


def write(path: Path, pairs: Sequence[Pair]) -> Path:
    """Write them where a spec names them; returns the path."""
    path.write_text("".join(pair.model_dump_json() + "\n" for pair in pairs), encoding="utf-8")
    return path


def read(path: Path) -> list[Pair]:
    """All pairs of a file. Raises PairsInvalid, which names the line."""
    pairs: list[Pair] = []
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise PairsInvalid(path, None, f"is longer than {MAX_FILE_BYTES >> 20} MiB")
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if len(pairs) == MAX_PAIRS:
                    raise PairsInvalid(path, number, f"is beyond the {MAX_PAIRS} pairs of a run")
                pairs.append(_pair(path, number, line))
    except OSError as error:
        raise PairsInvalid(path, None, str(error)) from error
    if not pairs:
        raise PairsInvalid(path, None, "holds no pair")
    return pairs


def _pair(path: Path, number: int, line: bytes) -> Pair:
    try:
        return Pair.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the line"
        raise PairsInvalid(path, number, f"{place}: {first['msg']}") from error


def held_back(pairs: Sequence[Pair], share: float, seed: int) -> tuple[list[Pair], list[Pair]]:
    """Those to train on, and those of groups that are kept back: at least one group where there are two or more."""
    groups = sorted({pair.group for pair in pairs}, key=lambda group: _place(group, seed))
    count = min(max(1, round(share * len(groups))), len(groups) - 1) if share else 0
    kept = set(groups[:count])
    return [pair for pair in pairs if pair.group not in kept], [pair for pair in pairs if pair.group in kept]


def _place(group: str, seed: int) -> str:
    return sha256(f"{seed}:{group}".encode()).hexdigest()
