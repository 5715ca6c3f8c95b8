"""The answer that a schema's text is made of. Types of a dialect go back to those of an answer; what an answer has no
place for (triggers, expressions that are more than a comparison) is left out."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import get_args

from hone_generator.artifacts.inverse import Inexpressible, Quotes, written
from hone_generator.artifacts.mermaid_erd.attribute_types import known_type
from hone_generator.artifacts.sql_ddl.answer import (
    Answer,
    StatedCheck,
    StatedColumn,
    StatedForeignKey,
    StatedTable,
)
from hone_generator.artifacts.sql_ddl.read import (
    ReadColumn,
    ReadForeign,
    ReadIndex,
    ReadSchema,
    ReadTable,
    read_ddl,
)
from hone_generator.artifacts.sql_ddl.read_columns import closing
from hone_generator.artifacts.sql_ddl.schema import Dialect, Operator, SqlType
from hone_generator.artifacts.sql_ddl.tokens import Token
from hone_generator.artifacts.sql_ddl.types import base_of
from hone_generator.artifacts.sql_ddl.values import type_named

_USUAL_LENGTHS: dict[str, str] = {"string": "255", "decimal": "12"}
_TYPES: dict[str, SqlType] = {
    "tinytext": "text", "mediumtext": "text", "longtext": "text", "tinyblob": "binary", "mediumblob": "binary",
    "longblob": "binary", "varbinary": "binary", "binary": "binary", "mediumint": "int", "timetz": "time",
    "smallserial": "int", "int2": "int", "float4": "float", "character varying": "string",
}  # fmt: skip
# What SQLite keeps as TEXT, by the attribute's name; the rest is a string.
_TEXTS: dict[str, SqlType] = {"date": "date", "datetime": "datetime", "text": "text", "uuid": "uuid"}
_NOW = frozenset({"now", "now()", "current_timestamp", "current_timestamp()", "current_timestamp(0)"})
_LENGTH = re.compile(r"\d{1,6}")
_ACTIONS = ("CASCADE", "SET NULL", "RESTRICT")


def answer_of(content: str, dialect: Dialect, quotes: Quotes) -> str:
    """Raises Inexpressible for a text that creates no table."""
    schema = read_ddl(content, dialect)
    indexes: dict[str, list[ReadIndex]] = {}
    for each in schema.indexes:
        if each.columns:
            indexes.setdefault(each.table.casefold(), []).append(each)
    tables = [
        _table(TypedTable(each, schema, dialect), indexes.get(each.name.casefold(), []), quotes)
        for each in schema.tables
        if each.columns
    ]
    if not tables:
        raise Inexpressible("the text creates no table")
    return written(Answer(tables=tables))


@dataclass(slots=True)
class TypedTable:
    """A table whose columns have the types that an answer calls them by."""

    table: ReadTable
    schema: ReadSchema
    dialect: Dialect
    _listed: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, values in _listed(self.table):
            self._listed.setdefault(name.casefold(), values)

    def type_of(self, column: ReadColumn) -> SqlType:
        if self.values_of(column):
            return "enum"
        base = base_of(column.type)
        if base in ("tinyint", "bit") and column.arguments in ((), ("1",)):
            return "boolean"
        if base == "char" and column.arguments == ("36",):
            return "uuid"
        if self.dialect == "sqlite" and base in ("integer", "int") and self._is_flag(column):
            return "boolean"
        if self.dialect == "sqlite" and base == "text":
            return _TEXTS.get(known_type(column.name) or "", "string")
        return _TYPES.get(base) or type_named(base, 0)[0]

    def values_of(self, column: ReadColumn) -> tuple[str, ...]:
        """Those of an enum: of its type, or of a check that lists them."""
        if base_of(column.type) == "enum":
            return column.arguments
        declared = self.schema.types.get(base_of(column.type), ())
        return declared or (() if self._is_flag(column) else self._listed.get(column.name.casefold(), ()))

    def _is_flag(self, column: ReadColumn) -> bool:
        return set(self._listed.get(column.name.casefold(), ())) == {"0", "1"}


def _table(typed: TypedTable, indexes: list[ReadIndex], quotes: Quotes) -> StatedTable:
    table = typed.table
    uniques = [names for names, _ in table.uniques] + [each.columns for each in indexes if each.unique]
    alone = {names[0].casefold() for names in uniques if len(names) == 1}
    pointing = {_folded(each.columns) for each in table.foreign}
    asked = [names for names, _ in table.indexes] + [each.columns for each in indexes if not each.unique]
    return StatedTable(
        name=table.name,
        columns=[
            _column(each, typed, quotes, unique=each.unique or each.name.casefold() in alone)
            for each in table.columns
        ],
        primary_key=list(table.key),
        unique=[list(names) for names in uniques if len(names) > 1],
        checks=[check for condition in table.conditions for check in _checks(condition)],
        foreign_keys=[_foreign(each, typed.schema) for each in table.foreign],
        # An index of a foreign key is made without being asked for.
        indexes=[list(names) for names in asked if _folded(names) not in pointing],
        evidence=quotes.of_element("table", table.name),
    )


def _folded(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.casefold() for name in names)


def _column(column: ReadColumn, typed: TypedTable, quotes: Quotes, *, unique: bool) -> StatedColumn:
    kind = typed.type_of(column)
    given = column.arguments[0] if column.arguments and kind in _USUAL_LENGTHS else ""
    usual = given == _USUAL_LENGTHS.get(kind)
    return StatedColumn(
        name=column.name,
        type=kind,
        nullable=column.nullable and column.name not in typed.table.key,
        unique=unique,
        length=int(given) if _LENGTH.fullmatch(given) and not usual else 0,
        values=list(typed.values_of(column)),
        default=_default(column.default, kind),
        evidence=quotes.of_element("column", typed.table.name, column.name),
    )


def _default(said: str, kind: SqlType) -> str:
    text = said.partition("::")[0].strip()
    if text.lower() in _NOW:
        return "now"
    if kind == "boolean":
        return {"1": "true", "0": "false"}.get(text, text.lower())
    return "" if text.lower() == "null" else text


def _foreign(key: ReadForeign, schema: ReadSchema) -> StatedForeignKey:
    target = schema.table(key.table)
    is_its_key = target is not None and key.targets == target.key
    return StatedForeignKey(
        columns=list(key.columns),
        table=key.table,
        targets=[] if is_its_key else list(key.targets),
        on_delete=key.on_delete if key.on_delete in _ACTIONS else "",
    )


def _checks(condition: Sequence[Token]) -> Iterator[StatedCheck]:
    """The comparisons that a condition is made of; none where it is anything else."""
    parts: list[list[Token]] = [[]]
    for token in condition:
        if token.upper == "AND" and not _is_between(parts[-1]):
            parts.append([])
        else:
            parts[-1].append(token)
    found = [_comparison(part) for part in parts]
    if all(found):
        yield from (check for checks in found for check in checks)


def _is_between(part: Sequence[Token]) -> bool:
    """Whether the next AND belongs to a BETWEEN."""
    uppers = [token.upper for token in part]
    return "BETWEEN" in uppers and "AND" not in uppers


def _comparison(part: Sequence[Token]) -> list[StatedCheck]:
    if len(part) < 3 or part[0].kind not in ("word", "name"):
        return []
    if part[1].upper == "BETWEEN":
        place = next((index for index, token in enumerate(part) if token.upper == "AND"), len(part))
        low, high = _value(part[2:place]), _value(part[place + 1 :])
        if not low or not high:
            return []
        return [
            StatedCheck(column=part[0].text, operator=operator, value=value)
            for operator, value in ((">=", low), ("<=", high))
        ]
    operator = "<>" if part[1].text == "!=" else part[1].text
    value = _value(part[2:])
    if operator not in get_args(Operator) or not value:
        return []
    return [StatedCheck(column=part[0].text, operator=operator, value=value)]


def _value(found: Sequence[Token]) -> str:
    """A literal or a column's name; "" for an expression. A cast says nothing new."""
    cast = next((index for index, token in enumerate(found) if token.is_mark("::")), len(found))
    kept = found[:cast]
    if len(kept) == 2 and kept[0].is_mark("-") and kept[1].kind == "number":
        return f"-{kept[1].text}"
    if len(kept) == 2 and kept[0].upper in ("DATE", "TIMESTAMP", "TIME") and kept[1].kind == "string":
        return kept[1].text
    return kept[0].text if len(kept) == 1 and kept[0].kind != "mark" else ""


def _listed(table: ReadTable) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Columns and the values that a check allows: ``status IN ('open', 'closed')``."""
    for condition in table.conditions:
        if len(condition) > 3 and condition[1].upper == "IN" and condition[2].is_mark("("):
            end = closing(condition, 2)
            values = tuple(token.text for token in condition[3:end] if token.kind in ("string", "number"))
            yield condition[0].text, values
