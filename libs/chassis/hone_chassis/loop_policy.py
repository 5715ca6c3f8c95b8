"""Every number of the learning loop's policy, each with its reason. ``HONE_LOOP_*`` in the environment, or the table
``loop`` of the file that ``HONE_CONFIG`` names."""

from datetime import timedelta
from typing import Any

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from hone_chassis.settings import FileSettings


class LoopPolicy(FileSettings):
    """Shared by gateway (feedback), trainer (pool, trigger, datasets) and registry (promotion, rollback)."""

    model_config = SettingsConfigDict(env_prefix="HONE_LOOP_", extra="ignore", frozen=True)

    @classmethod
    def of_file(cls, told: dict[str, Any]) -> dict[str, Any]:
        loop = told.get("loop", {})
        return loop if isinstance(loop, dict) else {}

    # Feedback
    feedback_per_minute: int = Field(
        default=600,
        ge=1,
        description="of one key; a person gives some a minute, a script that floods gives more",
    )

    # The pool
    good_score: int = Field(
        default=85, ge=0, le=100, description="validators' score from which a praised answer is an example"
    )
    correction_score: int = Field(
        default=50, ge=0, le=100, description="below it a correction is likelier a slip than what was meant"
    )
    person_share: float = Field(
        default=0.5, gt=0, le=1,
        description="of a batch that one person may fill where several give; beyond it their examples wait",
    )  # fmt: skip
    alone_allowed: bool = Field(
        default=True,
        description="whether a team of one may train at all: a single person is no majority over others",
    )
    disagreement: float = Field(
        default=0.5, ge=0, le=1,
        description="share of verdicts against an example at which it leaves the pool: half the people say no",
    )  # fmt: skip

    active_days: float = Field(
        default=7.0, gt=0,
        description="since somebody's last verdict, in which they count as one of several who give",
    )  # fmt: skip

    # The trigger
    enabled: bool = Field(default=True, description="whether runs start by themselves")
    batch_examples: int = Field(
        default=50,
        ge=1,
        description="new good examples of a type: fewer show no convention, more make the team wait",
    )
    window: str = Field(
        default="", pattern=r"^$|^\d\d:\d\d-\d\d:\d\d$",
        description="local time in which runs may start, as in 02:00-06:00; any time when empty",
    )  # fmt: skip
    min_interval_s: float = Field(
        default=600.0,
        ge=0,
        description="between runs of one type: a version is to be seen at work before the next",
    )
    look_every_s: float = Field(
        default=5.0, gt=0, description="how often the clock is asked whether a run may start"
    )
    method: str = Field(
        default="auto",
        description="few_shot or full; auto: full for Hone's own small model, few_shot for others",
    )
    least_examples: int = Field(
        default=10, ge=1,
        description="for a run by hand: two to train on and the held-out set's eight, at the very least",
    )  # fmt: skip
    tries: int = Field(
        default=3, ge=1,
        description="failed runs after which the same examples are set aside: they may be the reason",
    )  # fmt: skip
    replay_share: float = Field(
        default=0.25, ge=0, lt=1, description="of a dataset that older examples make, so that old skills stay"
    )

    # Datasets
    held_out_share: float = Field(
        default=0.2, gt=0, lt=1, description="never trained on: a fifth tells a difference of some points"
    )
    held_out_min: int = Field(default=8, ge=2, description="fewer pairs give intervals that decide nothing")
    held_out_groups_min: int = Field(
        default=5,
        ge=2,
        description="near-duplicates count once: below five groups chance is too often the reason",
    )
    held_out_max: int = Field(default=60, ge=2, description="more cost time and hardly narrow the interval")
    near_duplicate: float = Field(
        default=0.8, gt=0, le=1, description="Jaccard similarity of word triples from which two texts are one"
    )

    # Few-shot versions
    most_examples: int = Field(
        default=8, ge=1, description="more hardly help and cost every request its reading"
    )
    context_share: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="of the model's context that examples may take: the rest is the answer's",
    )
    diversity: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="weight of being different in maximal marginal relevance (1 - lambda)",
    )

    # Evaluation and promotion
    confidence: float = Field(
        default=0.95, gt=0.5, lt=1, description="of intervals, and of the tests on live figures together"
    )
    bootstrap_rounds: int = Field(
        default=2000, ge=200, description="the interval's ends move less than it rounds to"
    )
    agreement_weight: float = Field(
        default=0.5, ge=0, le=1,
        description="of agreement with people's corrections in the quality that is compared; the rest is the "
        "validators' score",
    )  # fmt: skip
    min_gain: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="of quality (0..1) beyond which the interval must lie to be better",
    )
    worse_margin: float = Field(
        default=0.02, ge=0, le=1, description="of quality: a loss that nobody would notice is not worse"
    )
    most_slowdown: float = Field(
        default=3.0,
        ge=1,
        description="times the champion's latency beyond which a better answer is not better",
    )

    # Canary
    canary_share: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="of requests that a proven challenger answers at first; 0 promotes at once",
    )
    canary_min_answers: int = Field(
        default=20,
        ge=1,
        description="of the canary before it may be promoted: as many as show a clear failure",
    )
    canary_max_age_s: float = Field(
        default=7 * 24 * 3600.0, gt=0,
        description="a canary that nobody asks decides nothing: after so long it is a plain challenger again",
    )  # fmt: skip

    # Rollback
    watch_alpha: float = Field(
        default=0.01, gt=0, lt=0.5,
        description="chance that a champion as good as its predecessor is ever rolled back, however long watched",
    )  # fmt: skip
    watch_margin: float = Field(
        default=0.03,
        ge=0,
        lt=1,
        description="of live quality (0..1) that a champion may lose without being worse",
    )
    watch_min_answers: int = Field(
        default=10, ge=1, description="of the predecessor, below which there is nothing to compare with"
    )
    feedback_weight: float = Field(
        default=4.0,
        ge=0,
        description="answers that a verdict counts as in the live quality that is shown: people see what validators "
        "do not",
    )
    keep_champions: int = Field(default=5, ge=1, description="earlier champions that can be rolled back to")

    @property
    def active(self) -> timedelta:
        return timedelta(days=self.active_days)

    @property
    def min_interval(self) -> timedelta:
        return timedelta(seconds=self.min_interval_s)
