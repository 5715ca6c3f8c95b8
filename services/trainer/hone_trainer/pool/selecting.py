"""Examples for a dataset, read from the pool."""

from collections.abc import Sequence
from hashlib import sha256

from sqlalchemy import Select, select
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_trainer.examples import FIELDS, Example
from hone_trainer.pool.page import EXAMPLES
from hone_trainer.pool.tables import GOOD

_E = EXAMPLES.c
_EXAMPLE: Select[tuple[object, ...]] = select(*(_E[name] for name in FIELDS))

MOST_TRAINED = 5_000
"""The newest texts that were trained on, which held-out ones are kept away from: more is time without end."""


async def of_batch(session: AsyncSession, batch: str) -> list[Example]:
    query = _EXAMPLE.where(_E.batch == batch, _E.state == "claimed").order_by(_E.id)
    return await _read(session, query)


async def all_good(session: AsyncSession, tenant: str, artifact_type: str, limit: int) -> list[Example]:
    """The newest ones that are not held out."""
    query = _EXAMPLE.where(
        _E.tenant == tenant, _E.artifact_type == artifact_type, _E.state.in_(GOOD), _E.held_out.is_(False)
    )
    return await _read(session, query.order_by(_E.id.desc()).limit(limit))


async def replay(
    session: AsyncSession, tenant: str, artifact_type: str, count: int, seed: str
) -> list[Example]:
    """``count`` of those that were used and not held out, as good as drawn by lot: the keys are hashes, and the
    reading begins among them at the seed's."""
    if count <= 0:
        return []
    used = _EXAMPLE.where(
        _E.tenant == tenant, _E.artifact_type == artifact_type, _E.state == "used", _E.held_out.is_(False)
    )
    start = sha256(seed.encode()).hexdigest()
    found = await _read(session, used.where(_E.key >= start).order_by(_E.key).limit(count))
    if len(found) < count:
        found += await _read(session, used.where(_E.key < start).order_by(_E.key).limit(count - len(found)))
    return found


async def held_out(session: AsyncSession, tenant: str, artifact_type: str, limit: int) -> list[Example]:
    """Older ones that were held out and are still good, corrected ones first, then the newest."""
    query = _EXAMPLE.where(
        _E.tenant == tenant, _E.artifact_type == artifact_type, _E.state == "used", _E.held_out.is_(True)
    )
    return await _read(session, query.order_by(_E.corrected.desc(), _E.id.desc()).limit(limit))


async def trained_texts(session: AsyncSession, tenant: str, artifact_type: str) -> Sequence[str]:
    """Requirements of what was trained on, newest first."""
    query = select(_E.requirements).where(
        _E.tenant == tenant, _E.artifact_type == artifact_type, _E.state == "used", _E.held_out.is_(False)
    )
    rows = await (await session.connection()).execute(query.order_by(_E.id.desc()).limit(MOST_TRAINED))
    return [str(row[0]) for row in rows]


async def _read(session: AsyncSession, query: Select[tuple[object, ...]]) -> list[Example]:
    rows = await (await session.connection()).execute(query)
    return [Example.of(dict(row)) for row in rows.mappings()]
