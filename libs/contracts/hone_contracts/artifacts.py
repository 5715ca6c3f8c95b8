"""Artifacts: the types there are, and what is said of one that was generated."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class ArtifactType(StrEnum):
    MERMAID_ERD = "mermaid_erd"
    MERMAID_CLASS = "mermaid_class"
    MERMAID_SEQUENCE = "mermaid_sequence"
    MERMAID_FLOWCHART = "mermaid_flowchart"
    MERMAID_STATE = "mermaid_state"
    OPENAPI = "openapi"
    SQL_DDL = "sql_ddl"
    JSON_SCHEMA = "json_schema"
    USER_STORIES = "user_stories"
    PYTHON_CODE = "python_code"


class ValidatorResult(BaseModel):
    """One validator's verdict. ``messages`` tell a model or a person where, what, and how to mend it."""

    model_config = ConfigDict(frozen=True)

    name: str
    score: int = Field(ge=0, le=100)
    passed: bool
    messages: tuple[str, ...] = ()


class Evidence(BaseModel):
    """The passage of the requirements that an element of the artifact came from."""

    model_config = ConfigDict(frozen=True)

    element: str = Field(examples=["entity:Member", "attribute:Member.email", "relationship:Member-1:N-Loan"])
    text: str


AttemptKind = Literal["first", "repair", "again"]
"""A fresh question; the validators' messages on the model's own last answer; the same question once more."""

AttemptOutcome = Literal["answered", "failed", "skipped"]


class Attempt(BaseModel):
    """One try of one model, kept whether or not its answer was the one returned.

    ``answered`` has a score and the validators' results; ``failed`` and ``skipped`` (its circuit is open, it does not
    fit the card, the cloud may not be used) have an ``error`` for a person and an ``error_code`` for a program.
    """

    model_config = ConfigDict(frozen=True)

    number: int = Field(default=1, ge=1, description="counted over all models of the request")
    model: str
    version: int | None = Field(default=None, description="of a model that the registry keeps")
    kind: AttemptKind = "first"
    outcome: AttemptOutcome = "answered"
    prompt_version: str
    score: int | None = Field(default=None, ge=0, le=100)
    validators: tuple[ValidatorResult, ...] = ()
    error: str | None = None
    error_code: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = Field(default=None, description="None where the model's price is not known")
    first_token_ms: float | None = None
    latency_ms: float = 0.0


class Artifact(BaseModel):
    """A generated artifact with its score and the reasons for it."""

    model_config = ConfigDict(frozen=True)

    artifact_id: str
    type: ArtifactType
    content: str
    ir: dict[str, Any]
    score: int = Field(ge=0, le=100)
    accepted: bool
    model: str
    version: int | None = Field(default=None, description="of the model, where the registry keeps it")
    attempts: tuple[Attempt, ...]
    validators: tuple[ValidatorResult, ...]
    evidence: tuple[Evidence, ...]
    timings_ms: dict[str, float]
    reasons: tuple[str, ...] = Field(default=(), description="why the score is what it is, one line each")
    advice: str | None = None
