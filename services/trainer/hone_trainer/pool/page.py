"""The examples that a transaction works on, in memory: read in a few statements, changed, written in a few.

Hundreds of verdicts are taken in with as many statements as one. Every change is counted by the Tally.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, and_, bindparam, insert, or_, select, update
from sqlalchemy.sql.dml import Update

from hone_chassis.tables import table_of, utc_now
from hone_contracts.ids import new_id
from hone_trainer.pool.tables import TAKEN, ExampleRow, State
from hone_trainer.pool.tally import Tally

EXAMPLES: Table = table_of(ExampleRow)
_E = EXAMPLES.c


@dataclass
class Entry:
    """What of a row decides on its changes."""

    id: str
    artifact_id: str | None
    state: State
    key: str
    contributor: str
    corrected: bool
    batch: str | None
    current: bool
    tries: int


_ENTRY = select(*(_E[name] for name in Entry.__dataclass_fields__))
_INSERT = insert(EXAMPLES)


class Page:
    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self._entries: dict[str, Entry] = {}
        self._by_key: defaultdict[str, dict[str, Entry]] = defaultdict(dict)
        self._by_artifact: dict[str, Entry] = {}
        self._added: dict[str, dict[str, Any]] = {}
        self._changed: dict[str, dict[str, Any]] = {}

    async def load_artifacts(self, artifact_ids: Collection[str]) -> None:
        await self._load(
            _ENTRY.where(
                _E.tenant == self.tally.tenant, _E.artifact_id.in_(artifact_ids), _E.current.is_(True)
            )
        )

    async def load_keys(self, keys: Collection[str]) -> None:
        """Whatever stands for these contents, or stood for them in a batch."""
        holds = or_(_E.state.in_(("new", *TAKEN)), and_(_E.state == "superseded", _E.batch.is_not(None)))
        await self._load(self._of_type().where(_E.key.in_(keys), holds))

    async def load_batch(self, batch: str, *states: State) -> list[Entry]:
        return await self._load(_ENTRY.where(_E.batch == batch, _E.state.in_(states)))

    async def load_ids(self, ids: Collection[str]) -> list[Entry]:
        return await self._load(self._of_type().where(_E.id.in_(ids)))

    def of_artifact(self, artifact_id: str) -> Entry | None:
        return self._by_artifact.get(artifact_id)

    def holding(self, keys: Iterable[str]) -> list[Entry]:
        """Examples of these contents that are good, or were."""
        return [entry for key in dict.fromkeys(keys) for entry in self._by_key[key].values()]

    def add(self, values: Mapping[str, Any], state: State, batch: str | None = None) -> Entry:
        """A new example. ``values`` have at least its texts, key, source, origin, score, reward and contributor."""
        row_id, now = new_id("ex"), utc_now()
        row: dict[str, Any] = {
            "id": row_id, "tenant": self.tally.tenant, "artifact_type": self.tally.artifact_type, "held_out": False,
            "tries": 0, "current": True, "reason": None, "created_at": now, "updated_at": now, "artifact_id": None,
            "context_text": None, "options": {}, "evidence": [], "model": "", "version": None, "people": 1,
            "corrected": False, "answer": None,
        }  # fmt: skip
        row |= dict(values)
        if batch is None:
            state, batch = self._placed(row_id, row["key"], state)
        row |= {"state": state, "batch": batch}
        entry = Entry(**{name: row[name] for name in Entry.__dataclass_fields__})
        self._added[row_id] = row
        self._know(entry)
        self.tally.came(state, entry.contributor, corrected=entry.corrected)
        return entry

    async def change(self, entry: Entry, values: Mapping[str, Any], state: State) -> None:
        """Other content, another contributor, another state. ``entry`` is in no batch."""
        stays = entry.state in ("new", "duplicate") and state == "new" and values["key"] == entry.key
        held, key = entry.state == "new", entry.key
        placed, batch = (entry.state, entry.batch) if stays else self._placed(entry.id, values["key"], state)
        self._set(entry, {**values, "state": placed, "batch": batch, "reason": None})
        if held and not stays:
            await self.succeed(key, "new", None)

    def keep(self, entry: Entry, values: Mapping[str, Any]) -> None:
        """Columns that nothing is counted by."""
        self._write(entry, values)

    async def detach(self, entry: Entry) -> None:
        """A batch has it: it stays what it was there, and no verdict changes it any more."""
        used = entry.state == "used"
        self._set(entry, {"current": False, "state": "claimed" if entry.state == "claimed" else "superseded"})
        if entry.artifact_id is not None:
            self._by_artifact.pop(entry.artifact_id, None)
        if used:
            await self.succeed(entry.key, "used", entry.batch)

    def move(self, entry: Entry, state: State, **more: object) -> None:
        self._set(entry, {"state": state, **more})

    async def succeed(self, key: str, state: State, batch: str | None) -> None:
        """The example that stood for all of the same content is gone: one of them takes its place."""
        twin = _E.key == key, _E.state == "duplicate", _E.current.is_(True)
        found = await self._load(self._of_type().where(*twin).order_by(_E.id).limit(8))
        waiting = [each for each in found if each.state == "duplicate" and each.key == key and each.current]
        if waiting:
            self._set(waiting[0], {"state": state, "batch": batch})

    async def write(self) -> None:
        connection = await self.tally.session.connection()
        if self._added:
            await connection.execute(_INSERT, list(self._added.values()))
        alike: defaultdict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
        for row_id, values in self._changed.items():
            alike[tuple(sorted(values))].append(
                {"row_id": row_id} | {f"v_{name}": v for name, v in values.items()}
            )
        for names, rows in alike.items():
            await connection.execute(_update(names), rows)
        self._added.clear()
        self._changed.clear()

    def _of_type(self) -> Any:
        return _ENTRY.where(_E.tenant == self.tally.tenant, _E.artifact_type == self.tally.artifact_type)

    async def _load(self, query: Any) -> list[Entry]:
        rows = (await (await self.tally.session.connection()).execute(query)).all()
        # What was changed here and is not written yet is as it is here.
        return [self._entries.get(row[0]) or self._know(Entry(*row)) for row in rows]

    def _know(self, entry: Entry) -> Entry:
        self._entries[entry.id] = entry
        self._index(entry)
        return entry

    def _index(self, entry: Entry) -> None:
        if entry.artifact_id is not None and entry.current:
            self._by_artifact[entry.artifact_id] = entry
        if entry.state in ("new", *TAKEN) or (entry.state == "superseded" and entry.batch is not None):
            self._by_key[entry.key][entry.id] = entry
        else:
            self._by_key[entry.key].pop(entry.id, None)

    def _placed(self, row_id: str, key: str, state: State) -> tuple[State, str | None]:
        """The same requirements and content count once, and are in one batch ever."""
        if state != "new":
            return state, None
        same = [each for each in self._by_key[key].values() if each.id != row_id]
        if any(each.state in ("new", *TAKEN) for each in same):
            return "duplicate", None
        return ("used", same[0].batch) if same else (state, None)

    def _set(self, entry: Entry, values: Mapping[str, Any]) -> None:
        self.tally.went(entry.state, entry.contributor, corrected=entry.corrected)
        self._by_key[entry.key].pop(entry.id, None)
        for name in values.keys() & Entry.__dataclass_fields__.keys():
            setattr(entry, name, values[name])
        self._index(entry)
        self.tally.came(entry.state, entry.contributor, corrected=entry.corrected)
        self._write(entry, values)

    def _write(self, entry: Entry, values: Mapping[str, Any]) -> None:
        told = {**values, "updated_at": utc_now()}
        row = self._added.get(entry.id)
        if row is not None:
            row.update(told)
        else:
            self._changed.setdefault(entry.id, {}).update(told)


def _update(names: tuple[str, ...]) -> Update:
    return (
        update(EXAMPLES)
        .where(_E.id == bindparam("row_id"))
        .values({name: bindparam(f"v_{name}") for name in names})
    )
