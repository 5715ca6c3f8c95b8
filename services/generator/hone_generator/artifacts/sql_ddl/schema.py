"""A database schema as data: what is rendered. Names are final here: distinct, and fit for all three dialects."""

from dataclasses import dataclass, field, replace
from typing import Literal

from hone_generator.artifacts.left_out import LeftOut

SqlType = Literal[
    "string", "text", "int", "bigint", "float", "decimal", "boolean", "date", "datetime", "time", "uuid", "enum",
    "json", "binary",
]  # fmt: skip

Dialect = Literal["postgresql", "sqlite", "mysql"]
DIALECTS: tuple[Dialect, ...] = ("postgresql", "sqlite", "mysql")

Operator = Literal["=", "<>", "<", "<=", ">", ">="]


@dataclass(frozen=True, slots=True)
class Check:
    """``column operator value``; the value is another column's name or a literal of the column's type."""

    column: str
    operator: Operator
    value: str
    is_column: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """``length`` in characters or digits, ``scale`` digits after the point; ``values`` of an enum."""

    name: str
    type: SqlType
    nullable: bool = True
    length: int | None = None
    scale: int | None = None
    values: tuple[str, ...] = ()
    default: str | None = None
    automatic: bool = False


@dataclass(frozen=True, slots=True)
class Foreign:
    columns: tuple[str, ...]
    table: str
    targets: tuple[str, ...]
    on_delete: str = ""


@dataclass(frozen=True, slots=True)
class Index:
    columns: tuple[str, ...]
    unique: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    uniques: tuple[tuple[str, ...], ...] = ()
    checks: tuple[Check, ...] = ()
    foreign: tuple[Foreign, ...] = ()
    indexes: tuple[Index, ...] = ()

    def column(self, name: str) -> Column:
        return next(each for each in self.columns if each.name == name)

    @property
    def keyed(self) -> frozenset[str]:
        """Columns that stand in any index: what is long or not comparable cannot."""
        return frozenset(name for group in self.groups for name in group)

    @property
    def groups(self) -> list[tuple[str, ...]]:
        """The columns of each key and index."""
        foreign = [each.columns for each in self.foreign]
        return [self.key, *self.uniques, *foreign, *(each.columns for each in self.indexes)]


@dataclass(frozen=True, slots=True)
class Schema:
    """``left_out`` tells what of an answer cannot stand in a schema: each is a flaw of the answer."""

    tables: tuple[Table, ...] = ()
    left_out: LeftOut = field(default_factory=LeftOut)

    def table(self, name: str) -> Table:
        return next(each for each in self.tables if each.name == name)


def with_types_of_targets(schema: Schema) -> Schema:
    """Columns that point somewhere have the type of what they point to, which may itself point on."""
    tables = {table.name: table for table in schema.tables}
    return replace(schema, tables=tuple(_typed(table, tables) for table in schema.tables))


def _typed(table: Table, tables: dict[str, Table]) -> Table:
    columns = []
    for column in table.columns:
        target = _target(table, column, tables)
        columns.append(
            replace(column, type=target.type, length=target.length, scale=target.scale, values=target.values)
        )
    return replace(table, columns=tuple(columns))


def _target(table: Table, column: Column, tables: dict[str, Table]) -> Column:
    seen: set[tuple[str, str]] = set()
    while (table.name, column.name) not in seen:
        seen.add((table.name, column.name))
        pointing = [each for each in table.foreign if column.name in each.columns]
        if not pointing:
            break
        following = tables[pointing[0].table]
        name = pointing[0].targets[pointing[0].columns.index(column.name)]
        table, column = following, following.column(name)
    return column
