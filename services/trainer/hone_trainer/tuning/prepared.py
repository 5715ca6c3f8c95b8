"""What the first phase found and decided, for the phases after it: ``out/prepared.json``."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from hone_trainer.tuning.errors import PhaseMissing
from hone_trainer.tuning.settings import Decided

FILE = "prepared.json"


class Prepared(BaseModel):
    """``sources`` say where each setting came from. ``base`` is its fingerprint; ``train`` and ``held_out`` are the
    folders of the token sequences."""

    model_config = ConfigDict(frozen=True)

    settings: Decided
    sources: dict[str, str]
    base: str
    train: Path
    held_out: Path
    pad_id: int
    steps: int
    figures: dict[str, Any]
    notes: tuple[str, ...] = ()

    def write(self, out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        unfinished = out / f".{FILE}.part"
        unfinished.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        unfinished.replace(out / FILE)

    @classmethod
    def read(cls, out: Path) -> "Prepared":
        """Raises PhaseMissing."""
        try:
            return cls.model_validate_json((out / FILE).read_bytes())
        except (OSError, ValidationError) as error:
            raise PhaseMissing(out / FILE) from error
