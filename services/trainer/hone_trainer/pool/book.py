"""Examples and the only ways they change. Every change goes through a Tally, so that the counts are right."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table, bindparam, insert, select, update
from sqlalchemy.engine import RowMapping

from hone_chassis.tables import table_of, utc_now
from hone_contracts.feedback import Answered
from hone_contracts.ids import new_id
from hone_trainer.pool.fold import Folded, key_of
from hone_trainer.pool.tables import TAKEN, ExampleRow, State
from hone_trainer.pool.tally import Tally

EXAMPLES: Table = table_of(ExampleRow)
_E = EXAMPLES.c

_OF_ARTIFACT = select(_E.id, _E.state, _E.key, _E.contributor, _E.corrected, _E.batch).where(
    _E.tenant == bindparam("t"), _E.artifact_id == bindparam("artifact"), _E.current.is_(True)
)
_SAME = (
    select(_E.id, _E.state, _E.batch)
    .where(_E.tenant == bindparam("t"), _E.artifact_type == bindparam("a"), _E.key == bindparam("k"))
    .where(_E.id != bindparam("not_id"))
)
_TWIN = (
    select(_E.id, _E.contributor, _E.corrected)
    .where(_E.tenant == bindparam("t"), _E.artifact_type == bindparam("a"), _E.key == bindparam("k"))
    .where(_E.state == "duplicate", _E.current.is_(True))
    .order_by(_E.id)
    .limit(1)
)
_INSERT = insert(EXAMPLES)
_CHANGE = update(EXAMPLES).where(_E.id == bindparam("row_id"))


async def take(tally: Tally, folded: Folded, answered: Answered) -> str:
    """What the verdicts on an artifact say now, as its example. Its id."""
    connection = await tally.session.connection()
    which = {"t": tally.tenant, "artifact": answered.artifact_id}
    known = (await connection.execute(_OF_ARTIFACT, which)).mappings().first()
    key = key_of(answered.requirements, folded.content)
    said = {
        "content": folded.content, "score": folded.score, "reward": folded.reward, "agreement": folded.agreement,
        "people": folded.people, "contributor": folded.contributor, "corrected": folded.corrected,
        "origin": folded.origin, "key": key, "source": "correction" if folded.corrected else "feedback",
        "updated_at": utc_now(),
    }  # fmt: skip
    if known is not None and known["state"] in TAKEN:
        if folded.good and key == known["key"]:
            # Whose it is stays as it was counted when the batch took it.
            kept = {name: said[name] for name in ("reward", "agreement", "people", "updated_at")}
            await connection.execute(_CHANGE.values(kept), {"row_id": known["id"]})
            return str(known["id"])
        await _detach(tally, known)
        known = None
    if known is None:
        return await add(tally, _asked(answered) | said, folded.state)
    await _change(tally, known, folded, said)
    return str(known["id"])


def _asked(answered: Answered) -> dict[str, Any]:
    return {
        "artifact_id": answered.artifact_id,
        "requirements": answered.requirements,
        "context_text": answered.context_text,
        "options": answered.options,
        "evidence": [each.model_dump() for each in answered.evidence],
        "model": answered.model,
        "version": answered.version,
    }


async def add(tally: Tally, values: Mapping[str, Any], state: State) -> str:
    """A new row. One that would be ``new`` is what its twins make of it."""
    row_id, now = new_id("ex"), utc_now()
    state, batch = await _placed(tally, row_id, str(values["key"]), state)
    row: dict[str, Any] = {
        "id": row_id, "tenant": tally.tenant, "artifact_type": tally.artifact_type, "state": state, "batch": batch,
        "held_out": False, "tries": 0, "current": True, "reason": None, "created_at": now, "updated_at": now,
        "artifact_id": None, "context_text": None, "options": {}, "evidence": [], "model": "", "version": None,
    }  # fmt: skip
    await (await tally.session.connection()).execute(_INSERT, row | dict(values))
    tally.came(state, values["contributor"], corrected=values["corrected"])
    return row_id


async def _change(tally: Tally, known: RowMapping, folded: Folded, said: dict[str, Any]) -> None:
    connection = await tally.session.connection()
    before: State = known["state"]
    same = before in ("new", "duplicate") and folded.good and said["key"] == known["key"]
    state, batch = (
        (before, known["batch"]) if same else await _placed(tally, known["id"], said["key"], folded.state)
    )
    await connection.execute(
        _CHANGE.values(said | {"state": state, "batch": batch, "reason": None}), {"row_id": known["id"]}
    )
    tally.went(before, known["contributor"], corrected=known["corrected"])
    tally.came(state, said["contributor"], corrected=said["corrected"])
    if before == "new" and not same:
        await succeed(tally, known["key"], "new", None)


async def _placed(tally: Tally, row_id: str, key: str, state: State) -> tuple[State, str | None]:
    """The same requirements and content count once, and are in one batch ever."""
    if state != "new":
        return state, None
    connection = await tally.session.connection()
    which = {"t": tally.tenant, "a": tally.artifact_type, "k": key, "not_id": row_id}
    same = (await connection.execute(_SAME, which)).mappings().all()
    if any(each["state"] in ("new", *TAKEN) for each in same):
        return "duplicate", None
    for each in same:
        if each["batch"] is not None:
            return "used", each["batch"]
    return state, None


async def _detach(tally: Tally, known: RowMapping) -> None:
    """A batch has it: it stays what it was there, and no verdict changes it any more."""
    connection = await tally.session.connection()
    before: State = known["state"]
    after: State = "claimed" if before == "claimed" else "superseded"
    values = {"current": False, "state": after, "updated_at": utc_now()}
    await connection.execute(_CHANGE.values(values), {"row_id": known["id"]})
    tally.went(before, known["contributor"], corrected=known["corrected"])
    tally.came(after, known["contributor"], corrected=known["corrected"])
    if before == "used":
        await succeed(tally, known["key"], "used", known["batch"])


async def succeed(tally: Tally, key: str, state: State, batch: str | None) -> None:
    """The example that stood for all of the same content is gone: one of them takes its place."""
    connection = await tally.session.connection()
    which = {"t": tally.tenant, "a": tally.artifact_type, "k": key}
    twin = (await connection.execute(_TWIN, which)).mappings().first()
    if twin is None:
        return
    values = {"state": state, "batch": batch, "updated_at": utc_now()}
    await connection.execute(_CHANGE.values(values), {"row_id": twin["id"]})
    tally.went("duplicate", twin["contributor"], corrected=twin["corrected"])
    tally.came(state, twin["contributor"], corrected=twin["corrected"])


async def move(tally: Tally, rows: Sequence[RowMapping], state: State, **more: object) -> None:
    """Rows with id, state, contributor and corrected get another state."""
    if not rows:
        return
    connection = await tally.session.connection()
    values = {"state": state, "updated_at": utc_now()} | more
    await connection.execute(_CHANGE.values(values), [{"row_id": each["id"]} for each in rows])
    for each in rows:
        tally.went(each["state"], each["contributor"], corrected=each["corrected"])
        tally.came(state, each["contributor"], corrected=each["corrected"])
