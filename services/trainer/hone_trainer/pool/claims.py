"""A run takes examples out of the pool, and they come to an end with it: used, or back where they were."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, func, or_, select
from sqlalchemy.engine import RowMapping

from hone_chassis.tables import table_of, utc_now
from hone_trainer.pool.book import EXAMPLES, move, succeed
from hone_trainer.pool.tables import PersonRow, State
from hone_trainer.pool.tally import Tally
from hone_trainer.pool.weights import Given

_E = EXAMPLES.c
_P = table_of(PersonRow).c

MOST_BY_HAND = 5_000
"""Of a run that a person asked for: as many as few-shot can choose from in seconds, and some hours for weights."""

_COUNTED = (_E.id, _E.state, _E.contributor, _E.corrected)
_OF_BATCH = select(*_COUNTED, _E.key, _E.current, _E.tries).where(_E.batch == bindparam("b"))


async def given(tally: Tally, active_since: datetime) -> Given:
    """Who gave the new examples of the type, and whether several people have given any lately."""
    people = select(_P.user, _P.new, _P.last_at).where(
        _P.tenant == tally.tenant,
        _P.artifact_type == tally.artifact_type,
        or_(_P.new > 0, _P.last_at >= active_since),
    )
    rows = (await (await tally.session.connection()).execute(people)).all()
    own = {str(user): int(new) for user, new, _ in rows if new > 0}
    return Given(shared=tally.new - sum(own.values()), own=own, several=len(rows) > 1)


async def claim(tally: Tally, batch: str, size: int, most_each: int) -> int:
    """The oldest ``size`` new examples, at most ``most_each`` of them one person's own, go into ``batch``."""
    place = func.row_number().over(partition_by=_E.contributor, order_by=_E.id).label("place")
    new = (
        select(*_COUNTED, place)
        .where(_E.tenant == tally.tenant, _E.artifact_type == tally.artifact_type, _E.state == "new")
        .subquery()
    )
    chosen = (
        select(new)
        .where(or_(new.c.contributor == "", new.c.place <= most_each))
        .order_by(new.c.id)
        .limit(size)
    )
    rows = (await (await tally.session.connection()).execute(chosen)).mappings().all()
    await move(tally, rows, "claimed", batch=batch)
    return len(rows)


async def of_batch(tally: Tally, batch: str) -> Sequence[RowMapping]:
    return (await (await tally.session.connection()).execute(_OF_BATCH, {"b": batch})).mappings().all()


async def settle(tally: Tally, batch: str, state: State) -> None:
    """The run has ended with a version: its examples are ``used``, or ``rejected`` with it."""
    rows = [row for row in await of_batch(tally, batch) if row["state"] == "claimed"]
    await move(tally, [row for row in rows if row["current"]], state)
    await _supersede(tally, rows, batch)


async def give_back(tally: Tally, batch: str, tries: int) -> None:
    """The run came to nothing: its examples are new again. Those of ``tries`` runs like that are set aside as
    ``rejected``, since they may be the reason; else they would start runs for ever."""
    rows = [row for row in await of_batch(tally, batch) if row["state"] == "claimed"]
    stay = [row for row in rows if row["current"]]
    again = [row for row in stay if row["tries"] + 1 < tries]
    await move(tally, again, "new", batch=None, tries=_E.tries + 1)
    await move(tally, [row for row in stay if row not in again], "rejected", tries=_E.tries + 1)
    await _supersede(tally, rows, None)


async def take_out(tally: Tally, reasons: dict[str, str]) -> None:
    """Examples that a gate found an error in, by id with the reason: no run takes them any more."""
    query = select(*_COUNTED).where(_E.id.in_(reasons), _E.state.in_(("claimed", "used")))
    for row in (await (await tally.session.connection()).execute(query)).mappings().all():
        await move(tally, [row], "rejected", reason=reasons[row["id"]][:500])


async def _supersede(tally: Tally, rows: Sequence[RowMapping], batch: str | None) -> None:
    """Those of them whose artifact's verdicts say something else by now."""
    gone = [row for row in rows if not row["current"]]
    await move(tally, gone, "superseded")
    for row in gone:
        await succeed(tally, row["key"], "used" if batch else "new", batch)


async def mark_held_out(tally: Tally, ids: Sequence[str]) -> None:
    """Never to be trained on from now on."""
    if ids:
        statement = (
            EXAMPLES.update().where(_E.id == bindparam("row_id")).values(held_out=True, updated_at=utc_now())
        )
        await (await tally.session.connection()).execute(statement, [{"row_id": each} for each in ids])
