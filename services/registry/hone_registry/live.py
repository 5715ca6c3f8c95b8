"""Versions at work: each answer and each word about one adds to the figures of its version, and to its watch."""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

import sqlalchemy as sa
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis import Running, announce
from hone_chassis.database import Database
from hone_chassis.errors import DatabaseUnavailable
from hone_chassis.logs import get_logger
from hone_chassis.loop_policy import LoopPolicy
from hone_chassis.tables import table_of
from hone_contracts.artifacts import Artifact, Attempt
from hone_contracts.feedback import FeedbackRecorded
from hone_contracts.generation import ArtifactGenerated, GenerationFailed
from hone_contracts.messages import Message
from hone_registry import live_figures, verdicts
from hone_registry.live_tables import WatchRow
from hone_registry.policy.watch import Kind, restored, stored
from hone_registry.tables import ModelRow, VersionRow
from hone_registry.turns import one_at_a_time
from hone_registry.watching import Watchers

log = get_logger(__name__)

_LOOK_EVERY_S = 30.0
_ITS_OWN_FAULT = frozenset(
    {
        "load_failed",
        "model_not_found",
        "context_too_long",
        "answer_too_long",
        "answer_unusable",
        "bad_answer",
        "not_validated",
    }
)
"""Codes of attempts that failed by the version: another version of the model might have answered. That a provider is
away, or wants patience, says nothing of it."""


class First(NamedTuple):
    """The version that was asked first, and how well it answered."""

    model: str
    version: int
    quality: float


class Known(NamedTuple):
    """What must be known of a version before an answer of it counts. It is watched for these types."""

    model_id: int
    trained_for: str | None
    watched_for: frozenset[str]


Seat = tuple[int, str, int]
"""Model, artifact type, version."""


class Live:
    """Handles ArtifactGenerated, GenerationFailed and FeedbackRecorded."""

    def __init__(self, database: Database, watchers: Watchers, policy: LoopPolicy) -> None:
        self._database, self._watchers, self._policy = database, watchers, policy

    async def generated(self, message: ArtifactGenerated, session: AsyncSession) -> Iterable[Message]:
        """Only the first choice counts: what reaches a fallback is what others failed at."""
        first = first_choice(message.artifact)
        if first is None:
            return ()
        known = await _known(session, message.tenant, first.model, first.version)
        if known is None:
            return ()
        seat = (known.model_id, message.artifact.type.value, first.version)
        return await self._seen(session, seat, known, first.quality, message)

    async def failed(self, message: GenerationFailed, session: AsyncSession) -> Iterable[Message]:
        """Nobody answered. What it was to be is not told: a version was trained for one type, and it counts there."""
        first = _of_attempts(message.attempts)
        if first is None:
            return ()
        known = await _known(session, message.tenant, first.model, first.version)
        if known is None or known.trained_for is None:
            return ()
        seat = (known.model_id, known.trained_for, first.version)
        return await self._seen(session, seat, known, first.quality, message)

    async def _seen(
        self, session: AsyncSession, seat: Seat, known: Known, quality: float, cause: Message
    ) -> Iterable[Message]:
        row, has_turn = await self._watch(session, seat, known, ("answers", quality))
        await live_figures.add(session, seat, "answers", quality)
        if row is None:
            return ()
        watch, _ = restored(row.state).saw("answers", quality, self._policy.watch_alpha)
        row.state = stored(watch)
        row.answers, row.answers_total = row.answers + 1, row.answers_total + quality
        return await self._watchers.settle(session, row, cause) if has_turn else ()

    async def said(self, message: FeedbackRecorded, session: AsyncSession) -> Iterable[Message]:
        if message.version is None or message.source != "person":
            return ()
        known = await _known(session, message.tenant, message.model, message.version)
        if known is None:
            return ()
        seat = (known.model_id, message.artifact_type.value, message.version)
        word = verdicts.Word(seat, (message.reward + 1) / 2, message)
        row, has_turn = await self._watch(session, seat, known, ("verdicts", word.quality))
        if row is None:
            await verdicts.kept(session, word)
            return ()
        alpha = self._policy.watch_alpha
        row.state = stored(await verdicts.heard(session, word, row.watch, restored(row.state), alpha))
        return await self._watchers.settle(session, row, message) if has_turn else ()

    async def _watch(
        self, session: AsyncSession, seat: Seat, known: Known, seen: tuple[Kind, float]
    ) -> tuple[WatchRow | None, bool]:
        """The watch over the version, locked, and whether it may be acted on. Who may have to act waits for the turn
        first, and holds nothing meanwhile: whoever has the turn may want this row. Where others wrote between the two
        looks, it is due without the turn; then the next answer has it."""
        if not known.watched_for:
            return None, False
        model_id, artifact_type, version = seat
        if artifact_type not in known.watched_for:
            await one_at_a_time(session, self._database)
            return await self._watchers.by_skill(session, seat), True
        query = select(WatchRow).where(
            WatchRow.model_id == model_id,
            WatchRow.artifact_type == artifact_type,
            WatchRow.version == version,
        )
        row = (await session.exec(query)).first()
        if row is None or self._database.is_sqlite:
            return row, True
        would, _ = restored(row.state).saw(*seen, self._policy.watch_alpha)
        due = self._watchers.is_due(row, would, row.answers + 1)
        session.expunge(row)
        if due:
            await one_at_a_time(session, self._database)
        return (await session.exec(query.with_for_update())).first(), due

    async def keep_looking(self, _running: Running) -> None:
        """Canaries that nobody asks grow old, and no message tells of it."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            try:
                await self.look()
            except DatabaseUnavailable as error:
                log.warning("the watches are not looked at", error=str(error))

    async def look(self) -> None:
        async with self._database.write(durable=False) as session:
            await one_at_a_time(session, self._database)
            for row in (await session.exec(select(WatchRow).with_for_update())).all():
                announce(session, *await self._watchers.settle(session, row))


_VERSIONS, _MODELS, _WATCHES = table_of(VersionRow), table_of(ModelRow), table_of(WatchRow)
_KNOWN = (
    sa.select(_VERSIONS.c.model_id, _VERSIONS.c.artifact_type, _WATCHES.c.artifact_type)
    .join(_MODELS, _MODELS.c.id == _VERSIONS.c.model_id)
    .outerjoin(
        _WATCHES,
        (_WATCHES.c.model_id == _VERSIONS.c.model_id) & (_WATCHES.c.version == _VERSIONS.c.version),
    )
    .where(
        _MODELS.c.tenant == sa.bindparam("tenant"),
        _MODELS.c.name == sa.bindparam("model"),
        _VERSIONS.c.version == sa.bindparam("version"),
    )
)


async def _known(session: AsyncSession, tenant: str, model: str, version: int) -> Known | None:
    """Asked for every answer: rows as objects, with all that versions are made of, would cost more than the rest."""
    asked = {"tenant": tenant, "model": model, "version": version}
    rows = (await (await session.connection()).execute(_KNOWN, asked)).all()
    if not rows:
        return None
    return Known(rows[0][0], rows[0][1], frozenset(row[2] for row in rows if row[2] is not None))


def first_choice(artifact: Artifact) -> First | None:
    """None where the registry does not keep it, or it was not asked, or could not be."""
    if artifact.attempts:
        return _of_attempts(artifact.attempts)
    if artifact.version is None:
        return None
    return First(artifact.model, artifact.version, artifact.score / 100)


def _of_attempts(attempts: tuple[Attempt, ...]) -> First | None:
    first = attempts[0] if attempts else None
    if first is None or first.version is None:
        return None
    its = [each for each in attempts if (each.model, each.version) == (first.model, first.version)]
    scores = [each.score for each in its if each.outcome == "answered" and each.score is not None]
    if scores:
        return First(first.model, first.version, max(scores) / 100)
    if any(each.outcome == "failed" and each.error_code in _ITS_OWN_FAULT for each in its):
        return First(first.model, first.version, 0.0)
    return None
