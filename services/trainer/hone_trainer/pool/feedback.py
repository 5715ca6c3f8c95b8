"""``FeedbackRecorded`` becomes a verdict, and the verdicts on an artifact its example."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from sqlalchemy import Table, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.logs import get_logger
from hone_chassis.tables import table_of
from hone_contracts.feedback import FeedbackRecorded
from hone_contracts.messages import Message
from hone_contracts.reward import verdict
from hone_trainer.pool import book
from hone_trainer.pool.fold import Rules, Said, fold
from hone_trainer.pool.tables import VerdictRow
from hone_trainer.pool.tally import Tally

log = get_logger(__name__)

_VERDICTS: Table = table_of(VerdictRow)
_V = _VERDICTS.c
_KEY = ("tenant", "artifact_id", "user")
_ON_ARTIFACT = select(*(_V[name] for name in Said.__dataclass_fields__)).where(
    _V.tenant == bindparam("t"), _V.artifact_id == bindparam("artifact")
)
_OF_PERSON = select(_V.feedback_id, _V.supersedes, _V.said_at).where(
    _V.tenant == bindparam("t"), _V.artifact_id == bindparam("artifact"), _V.user == bindparam("who")
)

AfterChange = Callable[[Tally], Awaitable[None]]
"""Called before the counts are written, when the pool may have come to a batch."""


class FeedbackHandler:
    """Handles ``FeedbackRecorded``. Feedback may come in any order: the newest word of a person counts."""

    def __init__(self, rules: Rules, after: AfterChange) -> None:
        self._rules, self._after = rules, after

    async def record(self, message: FeedbackRecorded, session: AsyncSession) -> Iterable[Message]:
        if message.answered is None:
            log.info("feedback without the texts that could be learned", artifact_id=message.artifact_id)
            return ()
        tally = await Tally.held(session, message.tenant, message.artifact_type)
        if not await _keep(session, message):
            return ()
        tally.spoke(message.user)
        said = await _said(session, message)
        answered = message.answered
        await book.take(tally, fold(said, answered.content, answered.score, self._rules), answered)
        came = tally.new_ones_came
        await tally.write()
        if came:
            await self._after(tally)
        return ()


async def _keep(session: AsyncSession, message: FeedbackRecorded) -> bool:
    """Write the person's verdict. False when a newer one of theirs is there."""
    connection = await session.connection()
    which = {"t": message.tenant, "artifact": message.artifact_id, "who": message.user}
    if message.supersedes is not None or not await _insert(session, message, or_nothing=True):
        known = (await connection.execute(_OF_PERSON, which)).mappings().first()
        if known is not None and not _replaces(message, known):
            return False
        await _insert(session, message, or_nothing=False)
    return True


def _replaces(message: FeedbackRecorded, known: Any) -> bool:
    if message.supersedes == known["feedback_id"]:
        return True
    if known["supersedes"] == message.feedback_id:
        return False
    return (message.occurred_at, message.feedback_id) > (known["said_at"], known["feedback_id"])


async def _insert(session: AsyncSession, message: FeedbackRecorded, *, or_nothing: bool) -> bool:
    connection = await session.connection()
    into = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    values = _values(message)
    statement = into(_VERDICTS)
    if or_nothing:
        found = await connection.execute(statement.on_conflict_do_nothing().returning(_V.user), values)
        return found.first() is not None
    changed = {name: statement.excluded[name] for name in values if name not in _KEY}
    await connection.execute(statement.on_conflict_do_update(index_elements=_KEY, set_=changed), values)
    return True


def _values(message: FeedbackRecorded) -> dict[str, Any]:
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


async def _said(session: AsyncSession, message: FeedbackRecorded) -> list[Said]:
    connection = await session.connection()
    rows = await connection.execute(_ON_ARTIFACT, {"t": message.tenant, "artifact": message.artifact_id})
    return [Said(**row) for row in rows.mappings()]
