"""Whether DDL makes sense as a schema: the grammar accepts a foreign key to a table that nobody creates, an index on
a column that is not there, a table without a key."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from hone_contracts.artifacts import ValidatorResult
from hone_generator.artifacts.kind import Link, Name, Outline
from hone_generator.artifacts.left_out import LeftOut
from hone_generator.artifacts.sql_ddl.read import ReadColumn, ReadForeign, ReadSchema, ReadTable
from hone_generator.artifacts.sql_ddl.schema import Dialect
from hone_generator.artifacts.sql_ddl.style import style_flaws
from hone_generator.artifacts.sql_ddl.types import family, is_known
from hone_generator.text import naming
from hone_generator.validators.flaws import MISSING, ODD, WRONG, Flaw, judged


@dataclass(frozen=True, slots=True)
class ParsedDdl:
    """``left_out`` is what of the model's answer could not stand in the schema."""

    schema: ReadSchema
    dialect: Dialect
    left_out: LeftOut = field(default_factory=LeftOut)

    def structure(self) -> ValidatorResult:
        return judged(
            "structure", [*_structure_flaws(self.schema), *self.left_out.structure_flaws()], self._elements
        )

    def references(self) -> ValidatorResult:
        lost = self.left_out.reference_flaws()
        return judged("references", [*_reference_flaws(self.schema, self.dialect), *lost], self._elements)

    def style(self) -> ValidatorResult:
        return judged("style", style_flaws(self.schema, self.dialect), self._elements)

    def outline(self) -> Outline:
        return Outline(tuple(_names(self.schema)), "data", numbers=True, links=tuple(_links(self.schema)))

    @property
    def _elements(self) -> int:
        parts = sum(1 + len(each.columns) + len(each.foreign) for each in self.schema.tables)
        return parts + len(self.schema.indexes)


def _structure_flaws(schema: ReadSchema) -> Iterator[Flaw]:
    for problem in schema.problems:
        yield Flaw(WRONG, f"line {problem.line}: {problem.what}")
    for first, line in schema.others:
        yield Flaw(
            MISSING, f"line {line}: {first} declares nothing: keep to CREATE TABLE, CREATE INDEX and the like"
        )
    if not schema.tables:
        yield Flaw(WRONG, "no table is created: add a CREATE TABLE for each thing that is kept", fatal=True)
    related = {each.name.casefold() for each in schema.tables if each.foreign}
    related |= {key.table.casefold() for each in schema.tables for key in each.foreign}
    for table in schema.tables:
        if len(schema.tables) > 1 and table.name.casefold() not in related:
            yield Flaw(
                MISSING,
                f"line {table.line}: table {table.name} is on its own: relate it by a foreign key or leave it out",
            )
        yield from _table_flaws(table)


def _table_flaws(table: ReadTable) -> Iterator[Flaw]:
    where = f"line {table.line}: table {table.name}"
    if not table.columns:
        yield Flaw(WRONG, f"{where} has no columns: add at least its key")
    elif not table.key:
        yield Flaw(MISSING, f"{where} has no primary key: add PRIMARY KEY (…) or an id")
    if table.keys > 1:
        yield Flaw(WRONG, f"{where} has {table.keys} primary keys: keep one, name all its columns in it")
    if table.key and len(table.columns) == 1 and not table.foreign:
        yield Flaw(MISSING, f"{where} has nothing but its key: add what is kept of it")


def _reference_flaws(schema: ReadSchema, dialect: Dialect) -> Iterator[Flaw]:
    yield from _given_twice(schema)
    for table in schema.tables:
        columns = {each.name.casefold() for each in table.columns}
        groups = [("PRIMARY KEY", table.key, table.line)]
        groups += [("UNIQUE", names, line) for names, line in table.uniques]
        groups += [("an index", names, line) for names, line in table.indexes]
        groups += [("FOREIGN KEY", each.columns, each.line) for each in table.foreign]
        for what, names, line in groups:
            yield from _missing_columns(table, columns, names, f"line {line}: {what} of {table.name}")
        for words, _, line in table.checks:
            if words and columns.isdisjoint(word.casefold() for word in words):
                yield Flaw(
                    WRONG,
                    f"line {line}: CHECK of {table.name} speaks of {words[0][:60]}, which is no column of it: "
                    "name a column",
                )
        for key in table.foreign:
            yield from _foreign_flaws(schema, table, key, dialect)
        for column in table.columns:
            if (
                column.type
                and not is_known(column.type, dialect)
                and column.type.casefold() not in schema.types
            ):
                yield Flaw(
                    WRONG if dialect != "sqlite" else ODD,
                    f"line {column.line}: {dialect} has no type {column.type[:60]} for {table.name}.{column.name}: "
                    "use one that it has",
                )
    yield from _index_flaws(schema)


def _given_twice(schema: ReadSchema) -> Iterator[Flaw]:
    tables: dict[str, ReadTable] = {}
    for table in schema.tables:
        first = tables.setdefault(naming.identity(table.name), table)
        if first is not table:
            yield Flaw(
                WRONG, f"line {table.line}: tables {first.name} and {table.name} are the same thing: keep one"
            )
        columns: set[str] = set()
        for column in table.columns:
            if column.name.casefold() in columns:
                yield Flaw(
                    WRONG, f"line {column.line}: column {table.name}.{column.name} is given twice: keep one"
                )
            columns.add(column.name.casefold())


def _missing_columns(table: ReadTable, columns: set[str], names: Iterable[str], where: str) -> Iterator[Flaw]:
    for name in names:
        if name.casefold() not in columns:
            yield Flaw(
                WRONG,
                f"{where} names the column {name[:60]}, which {table.name} has not: add it or correct the name",
            )


def _foreign_flaws(
    schema: ReadSchema, table: ReadTable, key: ReadForeign, dialect: Dialect
) -> Iterator[Flaw]:
    where = f"line {key.line}: FOREIGN KEY {table.name} ({', '.join(key.columns)[:80]})"
    target = schema.table(key.table)
    if target is None:
        yield Flaw(
            WRONG,
            f"{where} leads to the table {key.table[:60]}, which is not created: create it or correct the name",
        )
        return
    targets = key.targets or target.key
    columns = {each.name.casefold() for each in target.columns}
    missing = [name for name in targets if name.casefold() not in columns]
    if missing:
        yield Flaw(
            WRONG, f"{where} leads to {target.name}.{missing[0][:60]}, which is not there: correct the name"
        )
    elif len(targets) != len(key.columns):
        yield Flaw(
            WRONG, f"{where} has {len(key.columns)} columns for {len(targets)} of {target.name}: name as many"
        )
    elif not _is_key(target, targets):
        shown = ", ".join(targets)
        yield Flaw(
            WRONG, f"{where} leads to {target.name} ({shown}), which is no key: make it UNIQUE or use the key"
        )
    else:
        for own, other in zip(key.columns, targets, strict=True):
            yield from _type_flaws(table.column(own), target.column(other), where, dialect)


def _is_key(table: ReadTable, names: Iterable[str]) -> bool:
    wanted = {name.casefold() for name in names}
    groups = [table.key, *(names for names, _ in table.uniques)]
    groups += [(each.name,) for each in table.columns if each.unique]
    return any({name.casefold() for name in group} == wanted for group in groups)


def _type_flaws(
    own: ReadColumn | None, other: ReadColumn | None, where: str, dialect: Dialect
) -> Iterator[Flaw]:
    if own is None or other is None or not own.type or not other.type:
        return
    if family(own.type, dialect) != family(other.type, dialect):
        yield Flaw(WRONG, f"{where} is {own.type}, but {other.name} is {other.type}: use the same type")


def _index_flaws(schema: ReadSchema) -> Iterator[Flaw]:
    for index in schema.indexes:
        table = schema.table(index.table)
        where = f"line {index.line}: index {index.name[:60]}".rstrip()
        if table is not None:
            columns = {each.name.casefold() for each in table.columns}
            yield from _missing_columns(table, columns, index.columns, where)
        elif index.table.casefold() not in schema.views:
            yield Flaw(
                WRONG,
                f"{where} is on {index.table[:60]}, which is not created: create it or correct the name",
            )


def _names(schema: ReadSchema) -> Iterator[Name]:
    for table in schema.tables:
        pointing = {name.casefold() for key in table.foreign for name in key.columns}
        own = [each for each in table.columns if each.name.casefold() not in pointing]
        between = len(table.foreign) > 1 and all(_is_surrogate(each, table) for each in own)
        yield Name(table.name, "type", table.line, between)
        for column in table.columns:
            derived = column.name.casefold() in pointing or _is_surrogate(column, table)
            yield Name(column.name, "member", column.line, derived)
            yield from (Name(each, "label", column.line) for each in (*_sizes(column), *column.limits))
            if column.comment:
                yield Name(column.comment, "prose", column.line)
        yield from (Name(each, "label", line) for _, limits, line in table.checks for each in limits)
    yield from (Name(text, "prose", line) for text, line in schema.comments)
    yield from (Name(each, "label") for values in schema.types.values() for each in values)


def _is_surrogate(column: ReadColumn, table: ReadTable) -> bool:
    return naming.identity(column.name) in ("id", naming.identity(f"{table.name} id"))


def _sizes(column: ReadColumn) -> tuple[str, ...]:
    """Lengths that were chosen; 255 and the like are everybody's."""
    return tuple(each for each in column.arguments if each not in ("255", "50", "12", "2", "36"))


def _links(schema: ReadSchema) -> Iterator[Link]:
    """From the table that is pointed to, which may have many of the other; across a table between two as well."""
    for table in schema.tables:
        ends = []
        for key in table.foreign:
            target = schema.table(key.table)
            if target is not None:
                alone = _is_key(table, key.columns)
                yield Link(target.name, table.name, False, not alone)
                ends.append(target.name)
        pointing = {name.casefold() for key in table.foreign for name in key.columns}
        joined = {name.casefold() for name in table.key} <= pointing and len(table.key) > 1
        if len(ends) == 2 and joined:
            yield Link(ends[0], ends[1], True, True)
