"""One person's word on one artifact, from the request to what is kept and told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator

from hone_contracts.feedback import MAX_COMMENT_CHARS, Correction
from hone_contracts.reward import Thumb
from hone_contracts.validation import MAX_CONTENT_CHARS
from hone_gateway.http import bodies, texts
from hone_gateway.keys import Principal

_Correction = Annotated[str, Field(max_length=MAX_CONTENT_CHARS), texts.WRITTEN]
_Comment = Annotated[str, Field(max_length=MAX_COMMENT_CHARS), texts.WRITTEN]
_User = Annotated[str, Field(max_length=100), texts.NAME]


class FeedbackRequest(bodies.RequestBody):
    """A verdict, a better version, a comment: any of them, together or alone."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"thumb": "up"},
                {"score": 40, "comment": "The fines are missing.", "user": "ada"},
                {"correction": "erDiagram\n  MEMBER ||--o{ LOAN : has\n"},
            ]
        }
    )

    thumb: Thumb | None = None
    score: int | None = Field(default=None, ge=0, le=100, strict=True, description="more exact than a thumb")
    correction: _Correction | None = Field(default=None, description="the artifact as it should have been")
    comment: _Comment | None = None
    user: _User | None = Field(default=None, description="who says it, where several people share a key")

    @model_validator(mode="after")
    def _says_something(self) -> "FeedbackRequest":
        if (self.thumb, self.score, self.correction, self.comment) == (None,) * 4:
            raise ValueError("say something: thumb, score, correction or comment")
        return self


@dataclass(frozen=True)
class Word:
    """What a person said, once a correction has been judged."""

    feedback_id: str
    tenant: str
    artifact_id: str
    user: str
    said_at: datetime
    thumb: Thumb | None = None
    score: int | None = None
    comment: str | None = None
    correction: Correction | None = None


def who(asking: Principal, user: str | None) -> str:
    """The key, or a person behind it. The key stands before the person: nobody speaks in another key's name."""
    return asking.name if user is None else f"{asking.name}/{user}"


def document(row: Mapping[str, Any]) -> dict[str, Any]:
    """Feedback as the API shows it, of the columns of its row."""
    correction = None
    if row["correction"] is not None:
        correction = {
            "content": row["correction"],
            "score": row["correction_score"],
            "distance": row["distance"],
        }
    return {
        "id": row["id"],
        "artifact_id": row["artifact_id"],
        "user": row["user"],
        "thumb": row["thumb"],
        "score": row["score"],
        "comment": row["comment"],
        "correction": correction,
        "reward": round(row["reward"], 4),
        "learned": row["not_learned"] is None,
        "not_learned": row["not_learned"],
        "supersedes": row["supersedes"],
        "superseded_by": row["superseded_by"],
        "created_at": row["created_at"].isoformat(),
    }
