"""The real grammars: PostgreSQL's own parser (libpg_query, cut out of the server), SQLite itself in memory, and for
MySQL, of which no parser can be installed, sqlglot's with checks of what that lets through.

Everything is bounded: size, statements, time. Libraries are loaded when first asked for: most requests need none.
"""

import sqlite3
import time
from collections.abc import Sequence
from itertools import islice

from hone_generator.artifacts.sql_ddl.identifiers import RESERVED_IN_MYSQL
from hone_generator.artifacts.sql_ddl.read import ReadSchema, read_ddl
from hone_generator.artifacts.sql_ddl.schema import Dialect
from hone_generator.artifacts.sql_ddl.tokens import Token, tokens
from hone_generator.artifacts.sql_ddl.types import is_known

_MOST_BYTES = 256 * 1024
_MOST_STATEMENTS = 2_000
_MOST_TOKENS = {"postgresql": 40_000, "sqlite": 40_000, "mysql": 20_000}  # sqlglot is Python
_MOST_COMMENTS = (
    1_000  # PostgreSQL's are nested, and it takes the square of their number to see that none is closed
)
_LONGEST_OPERATOR = 63  # PostgreSQL's names are no longer
_SIGNS = frozenset("~!@#^&|`?+-*/%<>=")
_TIME_LIMIT_S = 2.0
_SQLITE_STEPS = 10_000  # virtual machine instructions between looks at the clock


def fault_of(text: str, dialect: Dialect) -> str | None:
    """What the dialect's grammar does not accept, with its line; None where it accepts all. Blocks, for up to two
    seconds."""
    unfit = _unreadable(text)
    if unfit is not None:
        return unfit
    found = list(islice(tokens(text, mysql=dialect == "mysql"), _MOST_TOKENS[dialect] + 1))
    statements = _statements(text, found)
    unfit = _too_much(text, found, statements, dialect)
    if unfit is not None:
        return unfit
    match dialect:
        case "postgresql":
            return _postgresql_fault(text)
        case "sqlite":
            return _sqlite_fault(text, statements)
        case "mysql":
            return _mysql_fault(text, statements)


def _too_much(
    text: str, found: Sequence[Token], statements: Sequence[tuple[int, str]], dialect: Dialect
) -> str | None:
    if len(found) > _MOST_TOKENS[dialect]:
        return f"the text has more than {_MOST_TOKENS[dialect]} words: make it shorter"
    if dialect == "postgresql" and (line := _line_of_operator(found)):
        return f"line {line}: no operator has more than {_LONGEST_OPERATOR} signs: correct it"
    if not statements:
        return "there is no statement: write CREATE TABLE statements"
    if text.count("/*") > _MOST_COMMENTS:
        return f"the text has more than {_MOST_COMMENTS} comments: make it shorter"
    if len(statements) > _MOST_STATEMENTS:
        return f"there are {len(statements)} statements, at most {_MOST_STATEMENTS} are read: make it shorter"
    return None


def _line_of_operator(found: Sequence[Token]) -> int:
    """Where more signs stand in a row than an operator has; 0 if nowhere. PostgreSQL takes the cube of their number
    to see that they are none."""
    signs, behind = 0, -1
    for token in found:
        is_sign = token.kind == "mark" and token.text[0] in _SIGNS
        signs = (signs if token.place == behind else 0) + len(token.text) if is_sign else 0
        if signs > _LONGEST_OPERATOR:
            return token.line
        behind = token.place + len(token.text)
    return 0


def _unreadable(text: str) -> str | None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        return f"{_line(text, error.start)}a character is no character: take it out"
    if size > _MOST_BYTES:
        return f"the text has {size} bytes, {_MOST_BYTES} are read: make it shorter"
    if "\0" in text:
        return f"{_line(text, text.index(chr(0)))}a NUL character ends every statement: take it out"
    return None


def _line(text: str, place: int) -> str:
    return f"line {text.count(chr(10), 0, place) + 1}: "


def _statements(text: str, found: Sequence[Token]) -> list[tuple[int, str]]:
    """Each statement's offset and text, without the semicolon."""
    parts, start = [], 0
    content = False
    for token in found:
        if token.is_mark(";"):
            if content:
                parts.append((start, text[start : token.place]))
            start, content = token.place + 1, False
        else:
            content = True
    if content:
        parts.append((start, text[start:]))
    return parts


def _postgresql_fault(text: str) -> str | None:
    import postgast  # noqa: PLC0415 (15 MB that only judging PostgreSQL needs)

    try:
        postgast.split(text)
    except postgast.PgQueryError as error:
        where = ""
        if error.cursorpos > 0:
            lines = text.encode()[: error.cursorpos - 1].count(b"\n") + 1  # the position counts bytes
            where = f"line {lines}: "
        return f"{where}{error.message}"
    return None


_DENIED = 'only tables, indexes and views are created here: leave out "{}"'
_ALLOWED = frozenset(
    {
        sqlite3.SQLITE_CREATE_TABLE, sqlite3.SQLITE_CREATE_INDEX, sqlite3.SQLITE_CREATE_VIEW,
        sqlite3.SQLITE_ALTER_TABLE, sqlite3.SQLITE_READ, sqlite3.SQLITE_SELECT, sqlite3.SQLITE_REINDEX,
        sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_DROP_TABLE, sqlite3.SQLITE_DROP_INDEX, sqlite3.SQLITE_DROP_VIEW,
    }
)  # fmt: skip
_BOOKS = frozenset({"sqlite_master", "sqlite_schema", "sqlite_sequence", "sqlite_temp_master"})


def _authorised(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """What creating tables needs and nothing else: no file is attached, no extension loaded, no row made up."""
    allowed = (
        action in _ALLOWED
        or (
            action in (sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE)
            and first in _BOOKS
        )
        or (action == sqlite3.SQLITE_FUNCTION and second != "load_extension")
        or (action == sqlite3.SQLITE_PRAGMA and first == "foreign_keys")
    )
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def _sqlite_fault(text: str, statements: Sequence[tuple[int, str]]) -> str | None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    deadline = time.monotonic() + _TIME_LIMIT_S
    try:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 4 * _MOST_BYTES)
        connection.setlimit(sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 200)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.set_authorizer(_authorised)
        connection.set_progress_handler(lambda: time.monotonic() > deadline, _SQLITE_STEPS)
        for start, statement in statements:
            if _selects(statement):
                return _sqlite_message(text, start, statement, "not authorized")
            try:
                connection.execute(statement)
            except sqlite3.Error as error:
                return _sqlite_message(text, start, statement, str(error))
    finally:
        connection.close()
    return None


def _selects(statement: str) -> bool:
    """Whether it is run when it is read: a view's query is not, any other is. One call of a function (printf of a
    thousand million signs, LIKE with many %) is never interrupted, and without rows nothing else calls any."""
    words = [token.upper for token in tokens(statement)]
    return not {"SELECT", "VALUES"}.isdisjoint(words) and words[1:2] != ["VIEW"]


def _sqlite_message(text: str, start: int, statement: str, said: str) -> str:
    begin = start + len(statement) - len(statement.lstrip())
    if "not authorized" in said or "prohibited" in said:
        return _line(text, begin) + _DENIED.format(" ".join(statement.split())[:60])
    if said == "interrupted":
        return f"{_line(text, begin)}the statement takes too long: write a plain definition"
    near = said.split('"')[1] if said.startswith('near "') else ""
    place = statement.find(near) if near and statement.count(near) == 1 else -1
    return f"{_line(text, start + place if place >= 0 else begin)}{said}"


def _mysql_fault(text: str, statements: Sequence[tuple[int, str]]) -> str | None:
    for start, statement in statements:
        fault = _sqlglot_fault(statement)
        if fault is not None:
            line, said = fault
            begun = start + len(statement) - len(statement.lstrip())
            return f"line {text.count(chr(10), 0, start if line else begun) + max(line, 1)}: {said}"
    return next(iter(_let_through(read_ddl(text, "mysql"))), None)


def _sqlglot_fault(statement: str) -> tuple[int, str] | None:
    """The line within the statement (0: unknown) and what is wrong."""
    import logging  # noqa: PLC0415 (as below)

    import sqlglot  # noqa: PLC0415 (16 MB that only judging MySQL needs)
    from sqlglot import errors, exp  # noqa: PLC0415

    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns of what we report
    try:
        found = sqlglot.parse(statement, read="mysql", error_level=errors.ErrorLevel.RAISE)
    except errors.ParseError as error:
        first = error.errors[0] if error.errors else {}
        near = f" near {str(first.get('highlight'))[:40]!r}" if first.get("highlight") else ""
        return int(first.get("line") or 0), f"{str(first.get('description') or 'not understood')[:120]}{near}"
    except errors.SqlglotError as error:
        return 0, str(error).splitlines()[0][:160]
    except RecursionError:
        return 0, "the statement is nested too deep: make it flat"
    shown = " ".join(statement.split())[:60]
    for each in found:
        if not isinstance(
            each, exp.Create | exp.Alter | exp.Use | exp.Set | exp.Drop | exp.Transaction | exp.Commit
        ):
            return 0, f"{shown!r} is no definition that MySQL knows: correct it, or leave it out"
    return None


def _let_through(schema: ReadSchema) -> list[str]:
    """What sqlglot accepts and MySQL does not, as far as seen: names that are reserved, columns without a type or
    with one of another database, commas too many, words that belong to no constraint."""
    said = [f"line {each.line}: {each.what}" for each in schema.problems]
    for table in schema.tables:
        if table.bare and table.name.lower() in RESERVED_IN_MYSQL:
            said.append(f"line {table.line}: {table.name} is a reserved word: write `{table.name}`")
        for column in table.columns:
            where = f"line {column.line}: {table.name[:60]}.{column.name[:60]}"
            if column.bare and column.name.lower() in RESERVED_IN_MYSQL:
                said.append(f"{where} is a reserved word: write `{column.name[:60]}`")
            if not column.type or not is_known(column.type, "mysql"):
                said.append(f"{where} has no type that MySQL knows ({column.type[:40]}): use one that it has")
            elif column.type.lower() in ("varchar", "varbinary") and not column.arguments:
                said.append(f"{where} needs a length: write {column.type.upper()}(255)")
            if column.strange:
                said.append(f"{where}: {column.strange[:40]!r} is not understood: take it out")
    said += [
        f"line {index.line}: an index needs a name and columns: CREATE INDEX name ON table (column)"
        for index in schema.indexes
        if not index.name or not index.columns
    ]
    return said
