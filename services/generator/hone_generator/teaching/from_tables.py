"""The ER diagram behind a database schema: tables are entities, foreign keys relationships, and a table whose key is
two foreign keys is what lies between many and many."""

from collections.abc import Iterable, Iterator, Mapping

from hone_contracts.erd_facts import AttributeType, Cardinality
from hone_generator.artifacts.mermaid_erd.attribute_types import known_type
from hone_generator.artifacts.mermaid_erd.ir import Attribute, Diagram, Entity, Key, Relationship
from hone_generator.artifacts.sql_ddl.inverse import TypedTable
from hone_generator.artifacts.sql_ddl.kind import dialect_of
from hone_generator.artifacts.sql_ddl.read import ReadColumn, ReadForeign, ReadSchema, ReadTable, read_ddl
from hone_generator.artifacts.sql_ddl.schema import SqlType

_TYPES: dict[SqlType, AttributeType] = {
    "string": "string", "text": "text", "int": "int", "bigint": "int", "float": "float", "decimal": "decimal",
    "boolean": "boolean", "date": "date", "datetime": "datetime", "time": "datetime", "uuid": "uuid",
    "enum": "enum", "json": "json", "binary": "binary",
}  # fmt: skip


def diagram_of_tables(content: str, options: Mapping[str, str]) -> Diagram:
    """Raises BadOption for an unknown dialect."""
    dialect = dialect_of(options)
    schema = read_ddl(content, dialect)
    between = {table.name.casefold() for table in schema.tables if _is_between(table)}
    return Diagram(
        entities=tuple(
            _entity(TypedTable(table, schema, dialect))
            for table in schema.tables
            if table.name.casefold() not in between
        ),
        relationships=tuple(
            relation
            for table in schema.tables
            for relation in _relations(table, schema, joins=table.name.casefold() in between)
        ),
    )


def _entity(typed: TypedTable) -> Entity:
    table = typed.table
    pointing = _folded(name for key in table.foreign for name in key.columns)
    alone = _folded(names[0] for names, _ in table.uniques if len(names) == 1)
    return Entity(
        name=table.name,
        attributes=tuple(
            Attribute(
                name=column.name,
                type=_type(column, typed),
                keys=tuple(_keys(column, table, pointing=pointing, alone=alone)),
            )
            for column in table.columns
        ),
    )


def _type(column: ReadColumn, typed: TypedTable) -> AttributeType:
    """Facts without values make an enum a string, so the name decides there."""
    found = _TYPES[typed.type_of(column)]
    return "enum" if found == "string" and known_type(column.name) == "enum" else found


def _keys(
    column: ReadColumn, table: ReadTable, *, pointing: frozenset[str], alone: frozenset[str]
) -> Iterator[Key]:
    name = column.name.casefold()
    if name in _folded(table.key):
        yield "PK"
    if name in pointing:
        yield "FK"
    if column.unique or name in alone:
        yield "UK"


def _relations(table: ReadTable, schema: ReadSchema, *, joins: bool) -> Iterator[Relationship]:
    ends = [(key, target) for key in table.foreign if (target := schema.table(key.table)) is not None]
    if joins and len(ends) == 2:
        yield Relationship(from_=ends[0][1].name, to=ends[1][1].name, cardinality="N:M")
        return
    for key, target in ends:
        cardinality: Cardinality = "1:1" if _is_alone(key, table) else "1:N"
        yield Relationship(from_=target.name, to=table.name, cardinality=cardinality)


def _is_alone(key: ReadForeign, table: ReadTable) -> bool:
    """Whether each row of the other table is pointed to once at most."""
    columns = _folded(key.columns)
    unique = any(_folded(names) == columns for names in (table.key, *(names for names, _ in table.uniques)))
    column = table.column(key.columns[0]) if len(key.columns) == 1 else None
    return unique or (column is not None and column.unique)


def _is_between(table: ReadTable) -> bool:
    """Nothing but two foreign keys, which together are its key."""
    pointing = _folded(name for key in table.foreign for name in key.columns)
    return (
        len(table.foreign) == 2
        and _folded(table.key) == pointing
        and all(column.name.casefold() in pointing for column in table.columns)
    )


def _folded(names: Iterable[str]) -> frozenset[str]:
    return frozenset(name.casefold() for name in names)
