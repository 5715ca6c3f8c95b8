"""What a run is told: its base, its rows, its settings. A file, so that any process can take it up."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hone_trainer.tuning.errors import SpecInvalid
from hone_trainer.tuning.settings import Resolved, layers_of, resolve

MAX_SPEC_BYTES = 1 << 20
OLD_SKILLS = "old_skills.jsonl"
"""In ``out``: what Hone's own model could do before."""


class Spec(BaseModel):
    """One run. ``folder`` is this worker's own; ``checkpoints`` is shared with the workers of the run before it.

    ``settings`` are as the run was told them, with where each comes from (`settings.layers_of`).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["sft", "kto"] = "sft"
    method: Literal["lora", "qlora", "kto"] = "lora"
    checkpoint: Path = Field(description="folder of the base, in Hugging Face's layout, 16 or 32 bit")
    gguf: Path | None = Field(
        default=None, description="a file of Hone's own model, which ``checkpoint`` is unpacked from"
    )
    adapter: Path | None = Field(default=None, description="of the champion, which this run goes on from")
    train: Path = Field(description="rows, one JSON object a line (`data.rows`)")
    held_out: Path | None = Field(default=None, description="rows that are never trained on")
    probes: Path | None = Field(default=None, description="rows of old skills, whose loss must not rise")
    folder: Path
    checkpoints: Path | None = None
    cache: Path
    settings: dict[str, Any] = {}
    fence: int = Field(default=1, ge=1, description="counts the workers of the run")
    told: dict[str, Any] = Field(
        default={}, description="of the service, for run.json: run id, dataset's digest, base's name"
    )

    @property
    def out(self) -> Path:
        """``prepared.json``, ``parity/``, ``adapter/``, ``merged/``, ``model.gguf``, ``measured.json``."""
        return self.folder / "out"

    @property
    def kept(self) -> Path:
        """The folder of checkpoints."""
        return self.checkpoints or self.folder / "checkpoints"

    @property
    def control(self) -> Path:
        """A file whose one word, ``stop``, ends the training early and keeps the best."""
        return self.folder / "control"

    def resolved(self) -> Resolved:
        """Raises BadSetting."""
        return resolve(self.method, *layers_of(self.settings))

    def write(self, path: Path) -> Path:
        """Write it where `command` finds it; returns the path."""
        path.parent.mkdir(parents=True, exist_ok=True)
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
