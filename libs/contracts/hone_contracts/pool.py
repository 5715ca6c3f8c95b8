"""The pool of examples, the datasets and the runs that come of it: gateway asks, trainer answers."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hone_contracts import subjects
from hone_contracts.artifacts import ArtifactType
from hone_contracts.errors import ErrorBody, Request
from hone_contracts.training import DatasetSummary, Method, Trigger

MAX_IMPORT_BYTES = 700_000
"""Of a file sent as text, as UTF-8: what goes into one message. Larger ones go by URI."""

MAX_ROWS_SHOWN = 500

ExampleSourceName = str
"""``feedback`` (praised as it was), ``correction``, ``import``, ``variation``, or a plug-in's name."""

RunState = Literal[
    "queued", "training", "paused", "deploying", "evaluating", "succeeded", "failed", "cancelled"
]
"""``queued``: its examples are claimed, no worker has it. ``paused``: no worker takes it before it is resumed. The
last three are ends."""


class CountExamples(Request):
    """Of all types when ``artifact_type`` is None."""

    subject: ClassVar[str] = subjects.rpc("trainer", "count_examples")

    artifact_type: ArtifactType | None = None


class PoolCount(BaseModel):
    """Examples of one type. ``new`` are good, and in no run yet; ``corrected`` are those of them that a person
    corrected. ``waiting`` are in the pool and not good (yet), by the reason."""

    model_config = ConfigDict(frozen=True)

    artifact_type: ArtifactType
    good: int
    new: int
    corrected: int
    waiting: dict[str, int] = Field(default={})
    needed: int = Field(description="new ones at which a run starts by itself")
    holds: tuple[str, ...] = Field(default=(), description="why no run starts now, one line each")
    running: str | None = Field(default=None, description="the run of this type that has not ended")


class PoolCounts(BaseModel):
    types: tuple[PoolCount, ...]


class ListDatasets(Request):
    """Newest first."""

    subject: ClassVar[str] = subjects.rpc("trainer", "list_datasets")

    artifact_type: ArtifactType | None = None
    limit: int = Field(default=50, ge=1, le=MAX_ROWS_SHOWN)


class StoredDataset(BaseModel):
    model_config = ConfigDict(frozen=True)

    summary: DatasetSummary
    created_at: datetime
    run_id: str | None = Field(default=None, description="the run that it was built for; None: by hand")


class Datasets(BaseModel):
    datasets: tuple[StoredDataset, ...]


class ShowDataset(Request):
    """``dataset`` is a digest, or as much of its beginning as tells it from all others (8 characters at least)."""

    subject: ClassVar[str] = subjects.rpc("trainer", "show_dataset")

    dataset: str = Field(min_length=8, max_length=64, pattern=r"^[0-9a-f]+$")
    offset: int = Field(default=0, ge=0)
    limit: int = Field(default=100, ge=1, le=MAX_ROWS_SHOWN)


DatasetSplit = Literal["train", "held_out", "against", "held_out_against"]
"""The last two are answers that people were against: methods but kto do not read them."""


class DatasetRow(BaseModel):
    """Where one example of a dataset came from. ``origin`` is the source's own id: of the feedback, or of file and
    row."""

    model_config = ConfigDict(frozen=True)

    example: str
    split: DatasetSplit
    source: ExampleSourceName
    origin: str
    artifact_id: str | None = None
    corrected: bool = False
    replayed: bool = False
    weight: float = 1.0
    group: str = ""
    score: int | None = None


class DatasetShown(BaseModel):
    """``report`` is what the quality gates said; ``rows`` are those of ``rows_total`` that were asked for."""

    model_config = ConfigDict(frozen=True)

    dataset: StoredDataset
    report: dict[str, Any] = Field(default={})
    parameters: dict[str, Any] = Field(default={}, description="of the policy that it was built by")
    rows: tuple[DatasetRow, ...]
    rows_total: int


class BuildDataset(Request):
    """A dataset of all good examples of a type, without training. Answered with a DatasetSummary, in seconds."""

    subject: ClassVar[str] = subjects.rpc("trainer", "build_dataset")

    artifact_type: ArtifactType


class ImportExamples(Request):
    """A file in any dataset format, as ``text`` or by ``uri``. Each example is validated like an answer before it
    counts: some at once, the rest afterwards (``waiting`` of the answer, and of the pool's counts)."""

    subject: ClassVar[str] = subjects.rpc("trainer", "import_examples")

    artifact_type: ArtifactType
    name: str = Field(default="import", min_length=1, max_length=200, description="the file's, for lineage")
    text: str | None = Field(default=None, max_length=MAX_IMPORT_BYTES)
    uri: str | None = Field(default=None, max_length=2000)
    user: str = Field(default="import", min_length=1, max_length=200)

    @model_validator(mode="after")
    def _one_of_them(self) -> "ImportExamples":
        if (self.text is None) == (self.uri is None):
            raise ValueError("either text or uri must be there")
        return self


class RefusedRow(BaseModel):
    model_config = ConfigDict(frozen=True)

    row: int = Field(ge=1)
    reason: str


class ExamplesImported(BaseModel):
    """``good`` were validated and count; ``known`` were in the pool before; ``against`` are labelled as not wanted,
    and are there for kto; ``refused`` say why for the first hundred of ``refused_total``."""

    model_config = ConfigDict(frozen=True)

    format: str
    rows: int
    good: int
    known: int
    waiting: int
    against: int = 0
    refused_total: int
    refused: tuple[RefusedRow, ...] = ()


class ListRuns(Request):
    """Newest first."""

    subject: ClassVar[str] = subjects.rpc("trainer", "list_runs")

    artifact_type: ArtifactType | None = None
    limit: int = Field(default=50, ge=1, le=MAX_ROWS_SHOWN)


class ShowRun(Request):
    """Answered with a Run."""

    subject: ClassVar[str] = subjects.rpc("trainer", "show_run")

    run_id: str = Field(max_length=100)


class Run(BaseModel):
    """One attempt to make a better version. ``run_id`` is the id of its job."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    artifact_type: ArtifactType
    method: Method
    trigger: Trigger
    state: RunState
    attempt: int
    batch: str
    examples: int
    model: str | None = None
    version: int | None = None
    version_name: str | None = None
    dataset_digest: str | None = None
    verdict: str | None = Field(default=None, description="of the registry, on the version")
    reasons: tuple[str, ...] = ()
    parameters: dict[str, Any] = Field(default={})
    figures: dict[str, Any] = Field(default={})
    error: ErrorBody | None = None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None = None


class Runs(BaseModel):
    runs: tuple[Run, ...]
