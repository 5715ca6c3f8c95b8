"""The last word of each person on each artifact."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Table, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.tables import table_of
from hone_contracts.feedback import FeedbackRecorded
from hone_contracts.reward import verdict
from hone_trainer.pool.fold import Said
from hone_trainer.pool.tables import VerdictRow

_VERDICTS: Table = table_of(VerdictRow)
_V = _VERDICTS.c
_KEY = ("tenant", "artifact_id", "user")
_NAMES = tuple(column.name for column in _VERDICTS.columns)

Verdict = dict[str, Any]


async def merge(
    session: AsyncSession, tenant: str, messages: Sequence[FeedbackRecorded]
) -> tuple[dict[str, list[Said]], set[str]]:
    """Take the messages in, in any order: the newest word of a person counts. What is now said of each artifact of
    which something changed, and who said something new."""
    known = await _of_artifacts(session, tenant, {each.artifact_id for each in messages})
    changed: dict[tuple[str, str], Verdict] = {}
    for message in messages:
        values = _values(message)
        there = known.setdefault(message.artifact_id, {})
        before = there.get(message.user)
        if before is None or _replaces(values, before):
            there[message.user] = values
            changed[message.artifact_id, message.user] = values
    if changed:
        connection = await session.connection()
        into = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        statement = into(_VERDICTS)
        new = {name: statement.excluded[name] for name in _NAMES if name not in _KEY}
        rows = list(changed.values())
        await connection.execute(statement.on_conflict_do_update(index_elements=_KEY, set_=new), rows)
    names = Said.__dataclass_fields__
    said = {
        artifact_id: [Said(**{name: each[name] for name in names}) for each in known[artifact_id].values()]
        for artifact_id, _ in changed
    }
    return said, {user for _, user in changed}


async def _of_artifacts(
    session: AsyncSession, tenant: str, artifact_ids: Collection[str]
) -> dict[str, dict[str, Verdict]]:
    query = select(_VERDICTS).where(_V.tenant == tenant, _V.artifact_id.in_(artifact_ids))
    found: dict[str, dict[str, Verdict]] = {}
    for row in (await (await session.connection()).execute(query)).mappings():
        found.setdefault(row["artifact_id"], {})[row["user"]] = dict(row)
    return found


def _replaces(values: Verdict, known: Verdict) -> bool:
    if values["supersedes"] == known["feedback_id"]:
        return True
    if known["supersedes"] == values["feedback_id"]:
        return False
    said_at, known_at = values["said_at"], known["said_at"]
    assert isinstance(said_at, datetime)
    assert isinstance(known_at, datetime)
    return (said_at, values["feedback_id"]) > (known_at, known["feedback_id"])


def _values(message: FeedbackRecorded) -> Verdict:
    correction = message.correction
    distance = None if correction is None else correction.distance
    return {
        "tenant": message.tenant,
        "artifact_id": message.artifact_id,
        "user": message.user,
        "feedback_id": message.feedback_id,
        "supersedes": message.supersedes,
        "opinion": verdict(message.thumb, message.score, distance),
        "reward": message.reward,
        "correction": None if correction is None else correction.content,
        "correction_score": None if correction is None else correction.score,
        "said_at": message.occurred_at,
    }
