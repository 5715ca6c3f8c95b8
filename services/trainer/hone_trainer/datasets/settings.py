"""Every number and choice of the quality gates, each with its reason."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from hone_trainer.datasets.findings import Gate, Severity

Level = Literal["error", "warning", "off"]

_LEVELS: dict[Gate, Level] = {
    "schema": "error",  # a trainer would stop at it, or learn the wrong turn
    "encoding": "error",  # the model would learn to write it
    "truncated": "error",  # the model would learn to stop early
    "duplicates": "warning",  # wasteful, and weighs one answer twice, but not false
    "contradictions": "warning",  # two good answers to one question exist; a person decides
    "leakage": "error",  # the evaluation would measure memory
    "leftovers": "error",  # the model would learn to refuse, or to leave gaps
    "control_tokens": "error",  # a turn would end where the row says
    "secrets": "error",  # what a model has learned cannot be taken out again
    "personal_data": "warning",  # names of the team's own test data look the same
    "distribution": "warning",  # a matter of degree
    "scale": "error",  # a wrong figure is taught as a right one
}


class GateSettings(BaseModel):
    """What the gates go by."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gates: dict[Gate, Level] = Field(
        default_factory=dict, description="levels other than the usual ones, by gate"
    )
    near_duplicate: float = Field(
        default=0.8, gt=0, le=1,
        description="Jaccard similarity of word triples from which two texts are one: a word changed in forty "
        "keeps 0.86, another requirement on the same template falls below",
    )  # fmt: skip
    most_findings_kept: int = Field(
        default=10_000, ge=1, description="of each gate: a report that nobody reads must not fill the memory"
    )

    # Distribution
    min_rows: int = Field(
        default=20, ge=0, description="fewer show no convention, and percentiles mean nothing"
    )
    outlier_min_rows: int = Field(
        default=50, ge=3, description="rows from which lengths have a spread to be outside of"
    )
    outlier_deviations: float = Field(
        default=5.0, gt=0,
        description="robust standard deviations of the logarithm of the length: a set of several kinds of answers "
        "has long tails, in which three or four are nothing unusual",
    )  # fmt: skip
    outlier_factor: float = Field(
        default=6.0,
        ge=1,
        description="times the median that an outlier is off at least: tight sets are no fault",
    )
    label_share: float = Field(
        default=0.1,
        ge=0,
        lt=0.5,
        description="of the rarer label: KTO needs both, and weighs up to about 1:10",
    )
    same_answer_share: float = Field(
        default=0.3,
        gt=0,
        le=1,
        description="of rows with one and the same answer: the model would learn only it",
    )

    # Cut answers
    finished_share: float = Field(
        default=0.9, gt=0, le=1,
        description="of the set's prose answers that end with a full stop, from which one that does not is cut; "
        "below it, ending without one is the set's style",
    )  # fmt: skip
    finished_min_answers: int = Field(
        default=20, ge=1, description="prose answers that a style can be told from"
    )

    # Scale errors
    scale_min_siblings: int = Field(
        default=5, ge=2, description="other figures of a column: fewer have no typical size"
    )
    scale_deviations: float = Field(
        default=3.5, gt=0,
        description="robust standard deviations (of the logarithm) below its siblings that a figure is no sibling; "
        "the usual cut of the modified z-score (Iglewicz and Hoaglin 1993)",
    )  # fmt: skip
    scale_range_slack: float = Field(
        default=1.5, ge=1, description="times beyond the siblings' own range that a repaired figure may lie"
    )
    scale_share: float = Field(
        default=0.5, gt=0, lt=1,
        description="of a column that may be wrong before its siblings no longer tell which side is; its own text "
        "still does",
    )  # fmt: skip
    scale_rows_agreeing: int = Field(
        default=3, ge=1,
        description="rows of a column whose own text says a hundredfold, none saying otherwise, from which the rows "
        "of the column without such a text are wrong too",
    )  # fmt: skip

    def level(self, gate: Gate) -> Level:
        return self.gates.get(gate, _LEVELS[gate])

    def severity(self, gate: Gate) -> Severity | None:
        """None: the gate is off."""
        level = self.level(gate)
        return None if level == "off" else level
