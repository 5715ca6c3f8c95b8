"""Artifacts: the types there are, and what is said of one that was generated."""

from enum import StrEnum
from typing import Any

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


class Attempt(BaseModel):
    """One try of one model, kept whether or not its answer was the one returned."""

    model_config = ConfigDict(frozen=True)

    model: str
    prompt_version: str
    score: int | None = Field(default=None, ge=0, le=100)
    error: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
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
    attempts: tuple[Attempt, ...]
    validators: tuple[ValidatorResult, ...]
    evidence: tuple[Evidence, ...]
    timings_ms: dict[str, float]
    reasons: tuple[str, ...] = Field(default=(), description="why the score is what it is, one line each")
    advice: str | None = None
