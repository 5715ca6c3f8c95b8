"""From stated tables to a schema that every dialect takes. What cannot stand in one is left out and reported: a
foreign key to a table that is not there, a check on a column that is not there, a default of another type."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from hone_generator.artifacts.left_out import LeftOut
from hone_generator.artifacts.sql_ddl.answer import Answer, StatedColumn, StatedForeignKey, StatedTable
from hone_generator.artifacts.sql_ddl.identifiers import distinct, fold, sql_name
from hone_generator.artifacts.sql_ddl.schema import (
    Check,
    Column,
    Foreign,
    Index,
    Schema,
    Table,
    with_types_of_targets,
)
from hone_generator.artifacts.sql_ddl.values import check_of, default_of, distinct_values, type_named
from hone_generator.text import naming

# Far above what a person reads, below what any of the databases refuses.
_MOST_TABLES, _MOST_COLUMNS, _MOST_IN_A_KEY, _MOST_GROUPS, _MOST_CHECKS = 200, 200, 16, 16, 100
_INTEGERS = ("int", "bigint")


@dataclass(slots=True)
class _Names:
    """Names as they were said, and as they are written."""

    written: dict[str, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def add(self, said: str, fallback: str) -> str:
        name = distinct(sql_name(said, fallback), self.taken)
        self.keep(said, name)
        return name

    def keep(self, said: str, name: str) -> None:
        self.taken.add(fold(name))
        self.written.setdefault(said, name)
        self.written.setdefault(naming.identity(said), name)

    def find(self, said: str) -> str | None:
        return self.written.get(said) or self.written.get(naming.identity(said))


@dataclass(slots=True)
class _Draft:
    said: StatedTable
    table: Table
    names: _Names


def schema_of_answer(answer: Answer) -> Schema:
    """Total and deterministic: any answer gives a schema, if an empty one."""
    builder = _Builder()
    for said in answer.tables[:_MOST_TABLES]:
        builder.add(said)
    for dropped in answer.tables[_MOST_TABLES:][:1]:
        builder.left_out.unfit.append(
            f"table {dropped.name[:80]} and all after it: a schema has at most {_MOST_TABLES}"
        )
    builder.relate()
    typed = with_types_of_targets(Schema(tuple(draft.table for draft in builder.drafts.values())))
    return Schema(tuple(builder.finished(each, typed) for each in typed.tables), builder.left_out)


class _Builder:
    def __init__(self) -> None:
        self.names = _Names()
        self.drafts: dict[str, _Draft] = {}
        self.left_out = LeftOut()

    def add(self, said: StatedTable) -> None:
        shown = said.name[:80]
        if not said.columns:
            self.left_out.unfit.append(f"table {shown} has no columns: add at least its key")
            return
        names = _Names()
        columns = tuple(
            _column(each, names.add(each.name, "column_")) for each in said.columns[:_MOST_COLUMNS]
        )
        key = self._group(f"primary key of {shown}", names, said.primary_key)
        groups: list[tuple[str, ...]] = [
            (names.find(each.name) or "",) for each in said.columns[:_MOST_COLUMNS] if each.unique
        ]
        groups += [self._group(f"unique of {shown}", names, group) for group in said.unique[:_MOST_GROUPS]]
        uniques = tuple(dict.fromkeys(group for group in groups if group and group != key))[:_MOST_GROUPS]
        columns = tuple(replace(each, nullable=each.nullable and each.name not in key) for each in columns)
        table = self._named(said.name, Table("", columns, key, uniques))
        self.drafts[table.name] = _Draft(said, table, names)

    def _named(self, said: str, table: Table) -> Table:
        """PostgreSQL names the indexes of keys by itself, among the tables: no table may have such a name."""
        own, number = sql_name(said, "table_"), 1
        name = distinct(own, self.names.taken)
        while (implied := {fold(each) for each in _implied_names(name, table)}) & self.names.taken:
            number += 1
            name = distinct(f"{own}_{number}", self.names.taken)
        self.names.taken |= implied
        self.names.keep(said, name)
        return replace(table, name=name)

    def _group(self, where: str, names: _Names, said: Sequence[str]) -> tuple[str, ...]:
        """The columns of a key or an index, none if one of them is not there."""
        found = [names.find(each) for each in said]
        for each, name in zip(said, found, strict=True):
            if name is None:
                self.left_out.dangling.append(
                    f"{where}: there is no column {each[:80]}; add the column or correct the name"
                )
        group = tuple(dict.fromkeys(name for name in found if name))
        return group if None not in found and len(group) <= _MOST_IN_A_KEY else ()

    def relate(self) -> None:
        for draft in self.drafts.values():
            stated = draft.said.foreign_keys[:_MOST_GROUPS]
            foreign = [each for key in stated if (each := self._foreign(draft, key)) is not None]
            draft.table = replace(draft.table, foreign=tuple(dict.fromkeys(foreign)))

    def _foreign(self, draft: _Draft, said: StatedForeignKey) -> Foreign | None:
        where = f"foreign key {draft.table.name} ({', '.join(said.columns)[:80]})"
        columns = self._group(where, draft.names, said.columns)
        name = self.names.find(said.table)
        target = self.drafts.get(name) if name else None
        if not columns:
            return None
        if target is None:
            self.left_out.dangling.append(
                f"{where}: there is no table {said.table[:80]}; add the table or correct the name"
            )
            return None
        targets = self._group(where, target.names, said.targets) or target.table.key
        if len(targets) != len(columns) or targets not in (target.table.key, *target.table.uniques):
            self.left_out.dangling.append(
                f"{where}: {target.table.name} ({', '.join(targets)}) is not a key of it with as many columns; "
                "point to its primary key or make these columns unique"
            )
            return None
        may_be_missing = all(draft.table.column(each).nullable for each in columns)
        on_delete = said.on_delete.strip().upper()
        known = on_delete in ("CASCADE", "RESTRICT") or (on_delete == "SET NULL" and may_be_missing)
        return Foreign(columns, target.table.name, targets, on_delete if known else "")

    def finished(self, table: Table, schema: Schema) -> Table:
        """With what depends on the final types: surrogate keys, defaults, checks and indexes."""
        draft = self.drafts[table.name]
        table = replace(
            table, foreign=tuple(each for each in table.foreign if self._fits(table, each, schema))
        )
        pointing = {name for each in table.foreign for name in each.columns}
        columns = []
        for column, said in zip(table.columns, draft.said.columns, strict=False):
            automatic = (column.name,) == table.key and column.type in _INTEGERS
            automatic = automatic and column.name not in pointing and _is_surrogate(column.name, table.name)
            default, problem = (None, "") if automatic else default_of(said.default, column)
            if problem:
                self.left_out.unfit.append(f"default of {table.name}.{column.name}: {problem}")
            columns.append(replace(column, automatic=automatic, default=default))
        table = replace(table, columns=tuple(columns))
        return replace(
            table, checks=tuple(self._checks(table, draft)), indexes=tuple(self._indexes(table, draft))
        )

    def _fits(self, table: Table, key: Foreign, schema: Schema) -> bool:
        """A column that points to two places of different types can only have one of them."""
        target = schema.table(key.table)
        pairs = zip(key.columns, key.targets, strict=True)
        fits = all(table.column(a).type == target.column(b).type for a, b in pairs)
        if not fits:
            self.left_out.dangling.append(
                f"foreign key {table.name} ({', '.join(key.columns)}): the types differ from those of {key.table}"
            )
        return fits

    def _checks(self, table: Table, draft: _Draft) -> Iterable[Check]:
        found: dict[Check, None] = {}
        for said in draft.said.checks[:_MOST_CHECKS]:
            name, other = draft.names.find(said.column), draft.names.find(said.value)
            check, problem = check_of(table, name, said.operator, said.value, other)
            if check is None:
                shown = f"{said.column} {said.operator} {said.value}"[:120]
                self.left_out.unfit.append(f"check {shown} of {table.name}: {problem}")
            else:
                found[check] = None
        return found

    def _indexes(self, table: Table, draft: _Draft) -> Iterable[Index]:
        """Those that were asked for, and one for each foreign key that none begins with: two of the three databases
        make none by themselves, and a join without one reads the whole table."""
        groups = [
            self._group(f"index of {table.name}", draft.names, group)
            for group in draft.said.indexes[:_MOST_GROUPS]
        ] + [each.columns for each in table.foreign]
        there = [table.key, *table.uniques]
        found: dict[tuple[str, ...], Index] = {}
        for group in groups:
            if group and not any(known[: len(group)] == group for known in [*there, *found]):
                found[group] = Index(group)
        return found.values()


def _column(said: StatedColumn, name: str) -> Column:
    kind, length, scale = type_named(said.type, said.length)
    values = distinct_values(said.values) if kind == "enum" else ()
    if kind == "enum" and not values:
        kind = "string"
    return Column(name, kind, said.nullable, length, scale, values)


def _is_surrogate(column: str, table: str) -> bool:
    return naming.identity(column) in ("id", naming.identity(f"{table} id"))


def _implied_names(name: str, table: Table) -> list[str]:
    keys = [f"{name}_{'_'.join(group)}_key" for group in table.uniques]
    return [f"{name}_pkey", *keys, *(f"{name}_{each}_seq" for each in table.key)]
