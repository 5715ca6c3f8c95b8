"""An example as a run works with it, apart from the rows of the pool."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from hone_contracts.artifacts import Evidence
from hone_contracts.teaching import ExampleText

FIELDS = (
    "id", "source", "origin", "artifact_id", "requirements", "content", "context_text", "options", "evidence",
    "score", "agreement", "contributor", "corrected", "key",
    "held_out",
)  # fmt: skip
"""Columns of the pool's rows that an example has."""


@dataclass(frozen=True)
class Example:
    id: str
    source: str
    origin: str
    requirements: str
    content: str
    score: int
    agreement: float
    contributor: str
    corrected: bool
    key: str
    artifact_id: str | None = None
    context_text: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    evidence: tuple[Mapping[str, str], ...] = ()
    held_out: bool = False

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        values = {name: row[name] for name in FIELDS}
        return cls(**values | {"evidence": tuple(row["evidence"])})

    @property
    def text(self) -> ExampleText:
        """As the generator is asked about it."""
        return ExampleText(
            requirements=self.requirements,
            content=self.content,
            context_text=self.context_text,
            options=dict(self.options),
            evidence=tuple(Evidence.model_validate(each) for each in self.evidence),
        )
