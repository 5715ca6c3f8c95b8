"""What a fine-tuning is told: its base, its pairs, its settings. A file, so that any process can start one."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from hone_trainer.finetune.errors import SpecInvalid

MAX_SPEC_BYTES = 1 << 20


class Settings(BaseModel):
    """Every number that decides what is learned; docs/starter-learning.md has the experiments behind them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: float = Field(default=2.0, gt=0, le=100)
    """How often each pair is read. What is learned is there after two; a third adds half the time."""

    replay_share: float = Field(default=0.55, ge=0, lt=1)
    """Of all tokens, how many are of the starter's own corpus. With 0.4 three points of its relations were lost."""

    renamed_share: float = Field(default=0.5, ge=0, le=1)
    """Of the pool's passages, how many are read under other names each time (`renaming`). 0.8 was worse for the team:
    its own nouns tell roles from things."""

    muon_lr: float = Field(default=0.002, ge=0, le=1)
    """For the matrices: a fifth of what the starter's own training began with. Half of it learned half as much."""

    adam_lr: float = Field(default=0.0006, ge=0, le=1)
    """For embeddings and norms, of which 0.003 made the starter."""

    warmup_share: float = Field(default=0.1, ge=0, le=1)
    """Of the steps: Adam's second moments begin at nothing, and its first steps would be its longest."""

    batch_tokens: int = Field(default=1024, ge=160, le=1 << 16)
    """A step reads about so many. Fifty artifacts have some 20,000, and must be worth more than a few steps."""

    held_back_share: float = Field(default=0.1, ge=0, lt=1)
    """Of the groups of pairs: never trained on, and measured on the way."""

    checks: int = Field(default=2, ge=1, le=100)
    """How often the held-back losses are measured, evenly over the run; each takes as long as a step."""

    threads: int = Field(default=1, ge=1, le=64)
    """One leaves the other core to the requests that are answered meanwhile. Another number is another sum."""

    time_limit_s: float = Field(default=900.0, gt=0)
    """Past it the run fails: a result cut short would depend on what else the machine did."""


class Spec(BaseModel):
    """One fine-tuning. `pairs` is a file of JSON lines (`pairs.Pair`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    base_gguf: Path | None = None
    """The champion's file."""

    base_hf: Path | None = None
    """The `hf` folder of an earlier fine-tuning."""

    pairs: Path
    out: Path
    seed: int = Field(default=1, ge=0, lt=1 << 31)
    settings: Settings = Settings()

    @model_validator(mode="after")
    def _one_base(self) -> Self:
        if (self.base_gguf is None) == (self.base_hf is None):
            raise ValueError("name either base_gguf or base_hf")
        return self

    def write(self, path: Path) -> Path:
        """Write it where `command` finds it; returns the path."""
        path.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")
        return path

    @classmethod
    def read(cls, path: Path) -> "Spec":
        """Raises SpecInvalid."""
        try:
            if path.stat().st_size > MAX_SPEC_BYTES:
                raise SpecInvalid(path, f"is longer than {MAX_SPEC_BYTES} bytes")
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise SpecInvalid(path, str(error)) from error
        except ValidationError as error:
            told = "; ".join(
                f"{'.'.join(map(str, e['loc'])) or 'all'}: {e['msg']}" for e in error.errors()[:5]
            )
            raise SpecInvalid(path, told) from error
