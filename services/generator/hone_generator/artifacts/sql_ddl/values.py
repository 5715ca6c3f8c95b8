"""Types, defaults and limits as a model writes them, held against the column they are meant for."""

import re
from collections.abc import Iterable
from datetime import date, datetime, time
from typing import get_args

from hone_generator.artifacts.sql_ddl.identifiers import fold
from hone_generator.artifacts.sql_ddl.schema import Check, Column, Operator, SqlType, Table

_MOST_VALUES, _LONGEST_VALUE = 100, 100
_LONGEST_STRING, _MOST_DIGITS, _SCALE = 4000, 38, 2
_TYPES: dict[str, SqlType] = {
    **{kind: kind for kind in get_args(SqlType)},
    **dict.fromkeys(("varchar", "char", "character", "nvarchar", "str", "email", "url", "citext"), "string"),
    **dict.fromkeys(("clob", "longtext", "mediumtext"), "text"),
    **dict.fromkeys(("integer", "smallint", "tinyint", "serial", "int4", "number", "year"), "int"),
    **dict.fromkeys(("int8", "bigserial", "long"), "bigint"),
    **dict.fromkeys(("real", "double", "float8"), "float"),
    **dict.fromkeys(("numeric", "money", "currency"), "decimal"),
    "bool": "boolean",
    **dict.fromkeys(("timestamp", "timestamptz"), "datetime"),
    "guid": "uuid",
    **dict.fromkeys(("jsonb", "object", "array"), "json"),
    **dict.fromkeys(("blob", "bytea", "bytes"), "binary"),
}
_SPELLED = re.compile(
    r"\s*([a-z0-9]{1,20})[^(]{0,40}(?:\(\s*(\d{1,6})\s*(?:,\s*(\d{1,6})\s*)?\))?", re.IGNORECASE
)
_NUMBER = re.compile(r"-?\d{1,30}(?:\.\d{1,20})?")
_NUMERIC = frozenset({"int", "bigint", "float", "decimal"})
_TEXTUAL = frozenset({"string", "text"})
_BOUNDS: dict[SqlType, int] = {"int": 2**31 - 1, "bigint": 2**63 - 1}


def type_named(said: str, length: int) -> tuple[SqlType, int | None, int | None]:
    """The type, and its length or digits and scale; models write VARCHAR(80) though they are asked not to."""
    spelled = _SPELLED.match(said)
    kind: SqlType = _TYPES.get(spelled[1].lower(), "string") if spelled else "string"
    given = int(spelled[2]) if spelled and spelled[2] else length
    if kind == "string":
        return ("text", None, None) if given > _LONGEST_STRING else (kind, given if given > 0 else None, None)
    if kind != "decimal":
        return kind, None, None
    digits = min(given, _MOST_DIGITS) if given > 0 else 12
    scale = int(spelled[3]) if spelled and spelled[3] else _SCALE
    return kind, digits, min(scale, digits, 30)


def distinct_values(values: Iterable[str]) -> tuple[str, ...]:
    """The values of an enum; MySQL takes those that differ in case or accents for one."""
    found: dict[str, str] = {}
    for value in values:
        shown = "".join(char for char in value if char.isprintable() and char <= "\uffff").strip()[
            :_LONGEST_VALUE
        ]
        if shown and len(found) < _MOST_VALUES:
            found.setdefault(fold(shown), shown)
    return tuple(found.values())


def default_of(said: str, column: Column) -> tuple[str | None, str]:
    """The default as a literal (or ``now``) and, where it cannot be one, why."""
    text = said.strip().strip("'\"")
    if not text or text.lower() == "null":
        return None, ""
    if text.lower() in ("now", "now()", "current_timestamp", "current_timestamp()", "today", "current_date"):
        return (
            ("now", "")
            if column.type == "datetime"
            else (None, "only a datetime can have now as its default")
        )
    if column.type in ("text", "json", "binary", "uuid"):
        return None, f"a {column.type} column has none in every dialect; leave it out"
    problem = _mismatch(text, column)
    return (None, problem) if problem else (text.lower() if column.type == "boolean" else text, "")


def check_of(
    table: Table, name: str | None, operator: str, value: str, other: str | None
) -> tuple[Check | None, str]:
    """A check that every dialect takes, or why it is none."""
    known = next((each for each in get_args(Operator) if each == operator.replace("!=", "<>").strip()), None)
    if name is None:
        return None, "there is no such column; add it or correct the name"
    if known is None:
        return None, f"the operator is none of {', '.join(get_args(Operator))}"
    column = table.column(name)
    problem = _not_to_be_checked(column, table)
    if problem:
        return None, problem
    if other is not None and other != name:
        alike = _family(table.column(other)) == _family(column) and not table.column(other).automatic
        return (Check(name, known, other, is_column=True), "") if alike else (None, "both need the same type")
    text = value.strip().strip("'\"")
    problem = _mismatch(text, column)
    return (None, problem) if problem else (Check(name, known, text), "")


def _not_to_be_checked(column: Column, table: Table) -> str:
    if column.automatic:
        return "the database numbers this column; leave the check out"
    if any(
        column.name in each.columns and each.on_delete in ("CASCADE", "SET NULL") for each in table.foreign
    ):
        return "its foreign key's ON DELETE changes this column, and MySQL refuses both"
    if column.type in ("json", "binary", "boolean", "uuid"):
        return f"a {column.type} column has no order; leave the check out"
    return ""


def _family(column: Column) -> str:
    if column.type in _NUMERIC:
        return "number"
    return "text" if column.type in _TEXTUAL else column.type


def _mismatch(text: str, column: Column) -> str:
    """Why the text is no literal of the column's type; empty if it is one."""
    kind = column.type
    if kind in _NUMERIC:
        return _number_mismatch(text, column)
    if kind == "boolean":
        return "" if text.lower() in ("true", "false") else "write true or false"
    if kind == "enum":
        return "" if text in column.values else f"{text[:80]!r} is none of its values"
    if kind in ("date", "datetime", "time"):
        return "" if _is_moment(text, kind) else f"{text[:80]!r} is no {kind} in ISO form"
    most = column.length or 255
    return "" if len(text) <= most and text.isprintable() and text else f"write up to {most} characters"


def _number_mismatch(text: str, column: Column) -> str:
    if not _NUMBER.fullmatch(text):
        return f"{text[:80]!r} is no number"
    whole, _, fraction = text.lstrip("-").partition(".")
    if column.type in _BOUNDS:
        return "" if not fraction and int(whole) <= _BOUNDS[column.type] else f"{text} is no {column.type}"
    if column.type == "decimal":
        room = (column.length or 12) - (column.scale if column.scale is not None else _SCALE)
        fits = len(whole.lstrip("0")) <= room and len(fraction) <= (column.scale or 0)
        return "" if fits else f"{text} has more digits than the column"
    return ""


def _is_moment(text: str, kind: str) -> bool:
    try:
        match kind:
            case "date":
                return (
                    date.fromisoformat(text).year >= 1000
                    and re.fullmatch(r"\d{4}-\d\d-\d\d", text) is not None
                )
            case "time":
                return (
                    time.fromisoformat(text).tzinfo is None
                    and re.fullmatch(r"\d\d:\d\d(:\d\d)?", text) is not None
                )
            case _:
                moment = datetime.fromisoformat(text)
                plain = re.fullmatch(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?", text) is not None
                return plain and moment.year >= 1000
    except ValueError:
        return False
