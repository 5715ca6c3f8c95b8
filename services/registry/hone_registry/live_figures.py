"""What versions at work reached: kept by one statement for each answer."""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.tables import table_of, utc_now
from hone_registry.live_tables import LiveRow, VerdictRow
from hone_registry.policy.watch import Kind, Moments, moments

_LIVE = table_of(LiveRow)
_MOST_VERDICTS = 5_000


async def add(
    session: AsyncSession, seat: tuple[int, str, int], kind: Kind, quality: float, *, count: int = 1
) -> None:
    """One quality more of (model, artifact type, version); one less when ``count`` is -1."""
    connection = await session.connection()
    values = dict.fromkeys(
        (f"{each}{part}" for each in ("answers", "verdicts") for part in ("", "_total", "_squares")), 0
    )
    values |= {kind: count, f"{kind}_total": count * quality, f"{kind}_squares": count * quality * quality}  # type: ignore[dict-item]
    keys = dict(zip(("model_id", "artifact_type", "version"), seat, strict=True))
    await connection.execute(_added(connection.dialect.name), keys | values | {"updated_at": utc_now()})


@cache
def _added(dialect: str) -> Any:
    into: Callable[..., Any] = sqlite.insert if dialect == "sqlite" else postgresql.insert
    statement = into(_LIVE)
    sums = {
        column.name: column + statement.excluded[column.name]
        for column in _LIVE.columns
        if column.name.startswith(("answers", "verdicts"))
    }
    return statement.on_conflict_do_update(
        index_elements=list(_LIVE.primary_key),
        set_={**sums, "updated_at": statement.excluded.updated_at},
    )


async def answers_of(session: AsyncSession, seat: tuple[int, str, int]) -> Moments:
    row = await session.get(LiveRow, seat, populate_existing=True)
    if row is None:
        return Moments()
    return Moments(row.answers, row.answers_total, row.answers_squares)


async def verdicts_of(session: AsyncSession, seat: tuple[int, str, int]) -> Moments:
    """Of several people, no one of whom makes more than half of them. One person's alone tell nothing."""
    model_id, artifact_type, version = seat
    query = (
        select(VerdictRow.person, VerdictRow.quality)
        .where(
            VerdictRow.model_id == model_id,
            VerdictRow.artifact_type == artifact_type,
            VerdictRow.version == version,
        )
        .order_by(col(VerdictRow.said_at).desc())
        .limit(_MOST_VERDICTS)
    )
    said = (await session.exec(query)).all()
    by_person = Counter(person for person, _ in said)
    heard: Counter[str] = Counter()
    kept: list[float] = []
    for person, quality in said:
        if heard[person] < len(said) - by_person[person]:
            heard[person] += 1
            kept.append(quality)
    return moments(kept)


Shown = dict[tuple[int, int], dict[str, dict[str, float]]]
"""By model and version, then by artifact type."""


async def shown(session: AsyncSession, model_ids: Iterable[int], feedback_weight: float) -> Shown:
    """For people: how many answers and verdicts, the mean of each, and one quality of both, in which a verdict counts
    as ``feedback_weight`` answers."""
    found: Shown = {}
    query = select(LiveRow).where(col(LiveRow.model_id).in_(model_ids))
    for row in (await session.exec(query)).all():
        told = {"answers": float(row.answers), "verdicts": float(row.verdicts)}
        if row.answers:
            told["score"] = round(row.answers_total / row.answers, 4)
        if row.verdicts:
            told["verdict"] = round(row.verdicts_total / row.verdicts, 4)
        weight = row.answers + feedback_weight * row.verdicts
        if weight > 0:
            total = row.answers_total + feedback_weight * row.verdicts_total
            told["quality"] = round(total / weight, 4)
        found.setdefault((row.model_id, row.version), {})[row.artifact_type] = told
    return found
