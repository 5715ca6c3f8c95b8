"""A run takes examples out of the pool, and they come to an end with it: used, or back where they were."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import bindparam, func, or_, select, update

from hone_chassis.tables import table_of, utc_now
from hone_trainer.pool.page import EXAMPLES, Entry, Page
from hone_trainer.pool.tables import PersonRow, State
from hone_trainer.pool.tally import Tally
from hone_trainer.pool.weights import Given

_E = EXAMPLES.c
_P = table_of(PersonRow).c

_AT_ONCE = 1_000

MOST_BY_HAND = 5_000
"""Of a run that a person asked for: as many as few-shot can choose from in seconds, and some hours for weights."""


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
        select(_E.id, _E.contributor, place)
        .where(_E.tenant == tally.tenant, _E.artifact_type == tally.artifact_type, _E.state == "new")
        .subquery()
    )
    chosen = (
        select(new.c.id)
        .where(or_(new.c.contributor == "", new.c.place <= most_each))
        .order_by(new.c.id)
        .limit(size)
    )
    ids = [str(row[0]) for row in await (await tally.session.connection()).execute(chosen)]
    page = Page(tally)
    for entry in await page.load_ids(ids):
        page.move(entry, "claimed", batch=batch)
    await page.write()
    return len(ids)


async def claim_contents(tally: Tally, batch: str, keys: Sequence[str]) -> int:
    """New examples of these contents go into ``batch``, whoever gave them."""
    page, claimed = Page(tally), 0
    for first in range(0, len(keys), _AT_ONCE):
        await page.load_keys(keys[first : first + _AT_ONCE])
    for entry in page.holding(keys):
        if entry.state == "new":
            page.move(entry, "claimed", batch=batch)
        claimed += entry.batch == batch
    await page.write()
    return claimed


async def lend_against(tally: Tally, batch: str, keys: Sequence[str]) -> None:
    """Imported answers of these contents that are not wanted go with ``batch``; another run may have them later."""
    for first in range(0, len(keys), _AT_ONCE):
        statement = (
            update(EXAMPLES)
            .where(
                _E.tenant == tally.tenant,
                _E.artifact_type == tally.artifact_type,
                _E.key.in_(keys[first : first + _AT_ONCE]),
                _E.state == "unpraised",
                _E.source == "import",
            )
            .values(batch=batch, updated_at=utc_now())
        )
        await (await tally.session.connection()).execute(statement)


async def settle(tally: Tally, batch: str, state: State) -> None:
    """The run has ended with a version: its examples are ``used``, or ``rejected`` with it."""
    page = Page(tally)
    for entry in await page.load_batch(batch, "claimed"):
        if entry.current:
            page.move(entry, state)
        else:
            await _supersede(page, entry, "used", batch)
    await page.write()


async def give_back(tally: Tally, batch: str, tries: int) -> None:
    """The run came to nothing: its examples are new again. Those of ``tries`` runs like that are set aside as
    ``rejected``, since they may be the reason; else they would start runs for ever."""
    page = Page(tally)
    for entry in await page.load_batch(batch, "claimed"):
        tried = entry.tries + 1
        if not entry.current:
            await _supersede(page, entry, "new", None)
        elif tried < tries:
            page.move(entry, "new", batch=None, tries=tried)
        else:
            page.move(entry, "rejected", tries=tried)
    await page.write()


async def take_out(tally: Tally, reasons: dict[str, str]) -> None:
    """Examples that a gate found an error in, by id with the reason: no run takes them any more."""
    page = Page(tally)
    for entry in await page.load_ids(reasons):
        if entry.state in ("claimed", "used"):
            page.move(entry, "rejected", reason=reasons[entry.id][:500])
    await page.write()


async def out_of_replay(tally: Tally, batch: str) -> None:
    """What was learned from them turned out to be worse."""
    page = Page(tally)
    for entry in await page.load_batch(batch, "used"):
        page.move(entry, "rejected")
    await page.write()


async def _supersede(page: Page, entry: Entry, twin: State, batch: str | None) -> None:
    """One whose artifact's verdicts say something else by now."""
    page.move(entry, "superseded", batch=batch)
    await page.succeed(entry.key, twin, batch)


async def mark_held_out(tally: Tally, ids: Sequence[str]) -> None:
    """Never to be trained on from now on."""
    if ids:
        statement = (
            update(EXAMPLES).where(_E.id == bindparam("row_id")).values(held_out=True, updated_at=utc_now())
        )
        await (await tally.session.connection()).execute(statement, [{"row_id": each} for each in ids])
