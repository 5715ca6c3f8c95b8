"""Words become rows and events, many in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, insert, select, update
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis import announce
from hone_chassis.database import then
from hone_chassis.loop_policy import LoopPolicy
from hone_chassis.tables import table_of
from hone_contracts.feedback import MAX_LEARNED_BYTES, FeedbackRecorded
from hone_contracts.reward import reward
from hone_gateway import metrics
from hone_gateway.errors import NoSuchArtifact
from hone_gateway.feedback.asked import Asked, find
from hone_gateway.feedback.learning import NOT_KEPT, TOO_LONG, why_not
from hone_gateway.feedback.words import Word
from hone_gateway.tables import FeedbackRow

_FEEDBACK = table_of(FeedbackRow)
_INSERT = insert(_FEEDBACK)
_SUPERSEDE = (
    update(_FEEDBACK).where(_FEEDBACK.c.id == bindparam("old")).values(superseded_by=bindparam("new"))
)
_LAST = select(_FEEDBACK.c.artifact_id, _FEEDBACK.c.user, _FEEDBACK.c.id).where(
    _FEEDBACK.c.superseded_by.is_(None)
)

Row = dict[str, Any]


@dataclass(frozen=True)
class Recorder:
    policy: LoopPolicy

    async def record(self, session: AsyncSession, words: Sequence[Word]) -> list[Row | NoSuchArtifact]:
        """What was written for each word, in their order; an error where its tenant has no such artifact."""
        found = await find(session, {word.artifact_id for word in words}, lock=True)
        before = await _last_words(session, words)
        new: dict[str, Row] = {}
        told: list[Row | NoSuchArtifact] = []
        for word in words:
            asked = found.get(word.artifact_id)
            if asked is None or asked.tenant != word.tenant:
                told.append(NoSuchArtifact(word.artifact_id))
                continue
            said = (word.artifact_id, word.user)
            row = self._row(session, word, asked, before.get(said))
            before[said], new[row["id"]] = row["id"], row
            told.append(row)
        await _write(session, new)
        return told

    def _row(self, session: AsyncSession, word: Word, asked: Asked, supersedes: str | None) -> Row:
        """Announces the word, too."""
        correction = word.correction
        distance = correction.distance if correction is not None else None
        worth = reward(asked.score, word.thumb, word.score, distance)
        event, whole = _event(word, asked, worth, supersedes)
        announce(session, event)
        then(session, metrics.FEEDBACK.labels(_kind(word)).inc)
        why = NOT_KEPT if asked.requirements is None else None if whole else TOO_LONG
        return {
            "id": word.feedback_id,
            "tenant": word.tenant,
            "artifact_id": word.artifact_id,
            "user": word.user,
            "thumb": word.thumb,
            "score": word.score,
            "comment": word.comment,
            "correction": correction.content if correction is not None else None,
            "correction_score": correction.score if correction is not None else None,
            "distance": distance,
            "reward": worth,
            "not_learned": why or why_not(word, asked.score, self.policy),
            "supersedes": supersedes,
            "superseded_by": None,
            "created_at": word.said_at,
        }


async def _last_words(session: AsyncSession, words: Sequence[Word]) -> dict[tuple[str, str], str]:
    """By artifact and person, the feedback that counts until now."""
    query = _LAST.where(
        _FEEDBACK.c.artifact_id.in_({word.artifact_id for word in words}),
        _FEEDBACK.c.user.in_({word.user for word in words}),
    )
    rows = await (await session.connection()).execute(query)
    return {(artifact, user): feedback for artifact, user, feedback in rows}


async def _write(session: AsyncSession, new: dict[str, Row]) -> None:
    """What is superseded gives way first: of one person one word counts at any time."""
    superseded = []
    for row in new.values():
        old = row["supersedes"]
        if old in new:
            new[old]["superseded_by"] = row["id"]
        elif old is not None:
            superseded.append({"old": old, "new": row["id"]})
    connection = await session.connection()
    if superseded:
        await connection.execute(_SUPERSEDE, superseded)
    if new:
        await connection.execute(_INSERT, list(new.values()))


def _event(word: Word, asked: Asked, worth: float, supersedes: str | None) -> tuple[FeedbackRecorded, bool]:
    """With all texts, as far as they fit into a message, and whether they did."""
    event = FeedbackRecorded(
        correlation_id=asked.job_id,
        tenant=word.tenant,
        occurred_at=word.said_at,
        feedback_id=word.feedback_id,
        artifact_id=asked.id,
        artifact_type=asked.type,
        model=asked.model,
        version=asked.version,
        user=word.user,
        thumb=word.thumb,
        score=word.score,
        comment=word.comment,
        correction=word.correction,
        reward=worth,
        validators_score=asked.score,
        answered=asked.answered(),
        supersedes=supersedes,
    )
    if _bytes(event) <= MAX_LEARNED_BYTES:
        return event, True
    return event.model_copy(update={"answered": None, "correction": None}), False


def _bytes(event: FeedbackRecorded) -> int:
    return len(event.model_dump_json().encode())


def _kind(word: Word) -> str:
    """What of it counts most."""
    if word.correction is not None:
        return "correction"
    if word.score is not None:
        return "score"
    return word.thumb or "comment"
