"""DDL read back, tolerantly and with line numbers: for checks of a text that came from anywhere.

Whether the text is SQL is decided by the database's own grammar elsewhere; here a part that is not understood is a
problem, and reading goes on behind it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hone_generator.artifacts.sql_ddl.read_columns import (
    ReadColumn,
    ReadForeign,
    ReadTable,
    closing,
    items_of,
    read_item,
)
from hone_generator.artifacts.sql_ddl.schema import Dialect
from hone_generator.artifacts.sql_ddl.tokens import Token, tokens

__all__ = ["Problem", "ReadColumn", "ReadForeign", "ReadIndex", "ReadSchema", "ReadTable", "read_ddl"]

# What stands around definitions: functions, extensions and sequences are created, settings made, a transaction begun.
_AROUND = frozenset({"CREATE", "SET", "USE", "PRAGMA", "BEGIN", "START", "COMMIT", "GRANT", "COMMENT"})
_MOST_TOKENS = 40_000  # a fifth of a second; a hundred tables have 10,000


@dataclass(frozen=True, slots=True)
class Problem:
    """Something on a line (counted from 1) that a reader cannot make sense of."""

    line: int
    what: str


@dataclass(frozen=True, slots=True)
class ReadIndex:
    name: str
    table: str
    columns: tuple[str, ...]
    line: int
    unique: bool = False


@dataclass(slots=True)
class ReadSchema:
    """``types`` are those that the text itself declares, by name; ``others`` the first words of statements that
    declare nothing (INSERT, DROP …) and their lines."""

    tables: list[ReadTable] = field(default_factory=list)
    indexes: list[ReadIndex] = field(default_factory=list)
    types: dict[str, tuple[str, ...]] = field(default_factory=dict)
    views: set[str] = field(default_factory=set)
    comments: list[tuple[str, int]] = field(default_factory=list)
    others: list[tuple[str, int]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    _by_name: dict[str, ReadTable] = field(default_factory=dict)

    def add(self, table: ReadTable) -> None:
        self.tables.append(table)
        self._by_name.setdefault(table.name.casefold(), table)

    def table(self, name: str) -> ReadTable | None:
        return self._by_name.get(name.casefold())


def read_ddl(text: str, dialect: Dialect) -> ReadSchema:
    """Never raises, and takes time linear in the text."""
    schema = ReadSchema()
    found: list[Token] = []
    for token in tokens(text, mysql=dialect == "mysql"):
        if len(found) == _MOST_TOKENS:
            schema.problems.append(Problem(token.line, "the text is too long to be read; make it shorter"))
            break
        found.append(token)
    for statement in _statements(found):
        _Statement(statement, schema).read()
    return schema


def _statements(found: Sequence[Token]) -> Iterator[list[Token]]:
    """Tokens between semicolons; one inside brackets that never close ends a statement too."""
    statement: list[Token] = []
    for token in found:
        if token.is_mark(";"):
            if statement:
                yield statement
            statement = []
        else:
            statement.append(token)
    if statement:
        yield statement


class _Statement:
    def __init__(self, found: list[Token], schema: ReadSchema) -> None:
        self.tokens, self.schema, self.place = found, schema, 0

    def read(self) -> None:
        first = self.tokens[0]
        words = self._skipping(
            "OR", "REPLACE", "TEMP", "TEMPORARY", "UNLOGGED", "GLOBAL", "LOCAL", "MATERIALIZED"
        )
        match words:
            case ("CREATE", "TABLE", *_):
                self._table(first.line)
            case ("CREATE", "INDEX", *_) | ("CREATE", "UNIQUE", "INDEX", *_):
                self._index(first.line)
            case ("ALTER", "TABLE", *_):
                self._alter()
            case ("CREATE", "TYPE" | "DOMAIN", *_):
                self._type()
            case ("CREATE", "VIEW", *_):
                self.schema.views.add(self._name_after("VIEW").casefold())
            case ("COMMENT", "ON", *_):
                self.schema.comments += [(t.text, t.line) for t in self.tokens[-1:] if t.kind == "string"]
            case (first_word, *_) if first_word in _AROUND:
                pass
            case _:
                self.schema.others.append((first.text[:40], first.line))

    def _skipping(self, *words: str) -> tuple[str, ...]:
        kept = [token.upper for token in self.tokens[:12] if token.upper not in words]
        return tuple(kept[:4])

    def _name_after(self, word: str) -> str:
        """The name behind a keyword, without its schema; the place is behind it then."""
        while self.place < len(self.tokens) and self.tokens[self.place].upper != word:
            self.place += 1
        self.place += 1
        while self._upper() in ("IF", "NOT", "EXISTS", "ONLY", "CONCURRENTLY"):
            self.place += 1
        return self._name()

    def _name(self) -> str:
        name = ""
        if self.place < len(self.tokens) and self.tokens[self.place].kind in ("word", "name"):
            name = self.tokens[self.place].text
            self.place += 1
            while self._is_mark(".") and self.place + 1 < len(self.tokens):
                name = self.tokens[self.place + 1].text
                self.place += 2
        return name

    def _upper(self) -> str:
        return self.tokens[self.place].upper if self.place < len(self.tokens) else ""

    def _is_mark(self, mark: str) -> bool:
        return self.place < len(self.tokens) and self.tokens[self.place].is_mark(mark)

    def _bracketed(self) -> list[Token]:
        """What the brackets at this place enclose; the place is behind them then."""
        end = closing(self.tokens, self.place)
        inner = self.tokens[self.place + 1 : end]
        self.place = end + 1
        return inner

    def _table(self, line: int) -> None:
        table = ReadTable(self._name_after("TABLE"), line)
        if not table.name:
            self._problem(line, "CREATE TABLE names no table")
            return
        table.bare = self.tokens[self.place - 1].kind == "word"
        self.schema.add(table)
        if not self._is_mark("("):
            self._problem(line, f"table {table.name[:80]} has no columns in brackets")
            return
        if closing(self.tokens, self.place) >= len(self.tokens):
            self._problem(line, f"the bracket of table {table.name[:80]} is not closed")
        for item in items_of(self._bracketed()):
            if not item:
                self._problem(line, f"table {table.name[:80]} has a comma too many")
            elif problem := read_item(table, item):
                self._problem(item[0].line, problem)

    def _problem(self, line: int, what: str) -> None:
        self.schema.problems.append(Problem(line, what))

    def _index(self, line: int) -> None:
        name = self._name_after("INDEX") if self._upper_after("INDEX") != "ON" else ""
        table = self._name_after("ON")
        if self._upper() == "USING":
            self.place += 2
        columns = []
        if self._is_mark("("):
            for item in items_of(self._bracketed()):
                plain = (
                    item[:1]
                    and item[0].kind in ("word", "name")
                    and not (len(item) > 1 and item[1].is_mark("("))
                )
                columns += [item[0].text] if plain else []
        unique = self.tokens[1].upper == "UNIQUE"
        self.schema.indexes.append(ReadIndex(name, table, tuple(columns), line, unique))

    def _upper_after(self, word: str) -> str:
        uppers = [token.upper for token in self.tokens]
        place = uppers.index(word) + 1
        return uppers[place] if place < len(uppers) else ""

    def _alter(self) -> None:
        line = self.tokens[0].line
        name = self._name_after("TABLE")
        table = self.schema.table(name)
        for item in items_of(self.tokens[self.place :]):
            words = [token.upper for token in item[:2]]
            if words[:1] != ["ADD"]:
                self.schema.others.append(
                    (f"ALTER TABLE … {item[0].text[:40]}" if item else "ALTER TABLE", line)
                )
            elif table is None:
                self._problem(line, f"ALTER TABLE {name[:80]}: the table is not created before")
            elif problem := read_item(table, item[2:] if words[1:] == ["COLUMN"] else item[1:]):
                self._problem(item[0].line, problem)

    def _type(self) -> None:
        name = self._name_after("DOMAIN" if self.tokens[1].upper == "DOMAIN" else "TYPE")
        values = tuple(token.text for token in self.tokens[self.place :] if token.kind == "string")
        self.schema.types[name.casefold()] = values
