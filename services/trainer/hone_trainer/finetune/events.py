"""The lines that a fine-tuning writes to its standard output, one JSON object each."""

import sys
from typing import Any, Literal, TextIO

from pydantic import BaseModel, ConfigDict

from hone_contracts.errors import ErrorBody

Stage = Literal[
    "base", "data", "checking", "training", "writing", "measuring", "finished", "failed", "cancelled"
]


class Line(BaseModel):
    """How far it is, with what is measured on the way. `finished`, `failed` and `cancelled` are the last line;
    `failed` comes with its error, `finished` with figures of the whole run (those of run.json)."""

    model_config = ConfigDict(frozen=True)

    stage: Stage
    done: int = 0
    total: int = 0
    message: str = ""
    error: ErrorBody | None = None
    figures: dict[str, Any] = {}

    @property
    def is_last(self) -> bool:
        return self.stage in {"finished", "failed", "cancelled"}


class Teller:
    """Writes lines as they come; a parent that no longer reads them ends the run, as SIGPIPE would."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout

    def tell(self, line: Line) -> None:
        self._stream.write(line.model_dump_json(exclude_defaults=True) + "\n")
        self._stream.flush()
