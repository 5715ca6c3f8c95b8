"""Answers that people were against, read from the pool for KTO.

They are the answers of which more people said that they are wrong than that they are right: by thumbs down, by low
scores, or by correcting them. No run claims them and none uses them up; a dataset takes the newest.
"""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import and_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_trainer.examples import FIELDS, Example
from hone_trainer.pool.fold import key_of
from hone_trainer.pool.page import EXAMPLES
from hone_trainer.pool.tables import GOOD

_E = EXAMPLES.c
_AT_ONCE = 500

_UNDECIDED = 0.5
"""Agreement that nobody has shaken either way (`weights.agreement`)."""

_REFUSED = and_(_E.state.in_(("unpraised", "disputed")), _E.corrected.is_(False), _E.agreement < _UNDECIDED)
# Where half the people hold the answer to be right after all, a correction proves nothing: that one is disputed.
_CORRECTED = and_(_E.state.in_((*GOOD, "duplicate")), _E.corrected.is_(True), _E.answer.is_not(None))


async def newest(
    session: AsyncSession, tenant: str, artifact_type: str, limit: int, batch: str | None = None
) -> list[Example]:
    """Each with the refused answer as its content, and as its agreement how sure it is that people are against it.
    Of ``batch`` alone where one is named. None is, with the same requirements, good as well."""
    against = _REFUSED if batch is not None else or_(_REFUSED, _CORRECTED)
    query = select(*(_E[name] for name in FIELDS), _E.answer).where(
        _E.tenant == tenant, _E.artifact_type == artifact_type, _E.current.is_(True), against
    )
    if batch is not None:
        query = query.where(_E.batch == batch)
    connection = await session.connection()
    rows = (await connection.execute(query.order_by(_E.id.desc()).limit(limit))).mappings().all()
    found: dict[str, Example] = {}
    for row in rows:
        example = _refused(Example.of(dict(row)), row["answer"])
        found.setdefault(example.key, example)
    good = await _good_keys(connection, tenant, artifact_type, list(found))
    return [example for key, example in found.items() if key not in good]


def _refused(example: Example, answer: str | None) -> Example:
    if not example.corrected:
        return replace(example, agreement=1 - example.agreement)
    content = answer or ""
    return replace(example, content=content, key=key_of(example.requirements, content), corrected=False)


async def _good_keys(
    connection: AsyncConnection, tenant: str, artifact_type: str, keys: Sequence[str]
) -> set[str]:
    """Of contents that others hold to be right."""
    good: set[str] = set()
    for first in range(0, len(keys), _AT_ONCE):
        query = select(_E.key).where(
            _E.tenant == tenant,
            _E.artifact_type == artifact_type,
            _E.key.in_(keys[first : first + _AT_ONCE]),
            _E.state.in_(GOOD),
        )
        good |= {str(row[0]) for row in await connection.execute(query)}
    return good
