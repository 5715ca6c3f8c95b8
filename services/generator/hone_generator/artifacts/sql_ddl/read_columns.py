"""What stands between the brackets of CREATE TABLE: columns and table constraints."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hone_generator.artifacts.sql_ddl.tokens import Token

# What ends a column's type and begins what is said of the column.
CONSTRAINT_WORDS = frozenset(
    """
    CONSTRAINT NOT NULL PRIMARY UNIQUE DEFAULT CHECK REFERENCES GENERATED COLLATE COMMENT AUTO_INCREMENT AUTOINCREMENT
    ON DEFERRABLE INITIALLY AS STORED VIRTUAL KEY CHARACTER_SET CHARSET INVISIBLE VISIBLE MATCH ENFORCED STORAGE
    COMPRESSION IDENTITY
    """.split()  # noqa: SIM905 - a list of quoted words is not readable
)
# What may follow such a word.
_FOLLOWING = frozenset(
    """
    DELETE UPDATE CASCADE SET RESTRICT NO ACTION FULL PARTIAL SIMPLE ALWAYS BY CURRENT_TIMESTAMP NOW COLUMN_FORMAT
    DEFERRED IMMEDIATE CONFLICT ROLLBACK ABORT FAIL IGNORE REPLACE ASC DESC PERSISTENT UNSIGNED ZEROFILL
    CHARACTER BINARY ASCII UNICODE SRID FIXED DYNAMIC DISK MEMORY
    """.split()  # noqa: SIM905 - as above
)
_TABLE_ITEMS = frozenset(
    "CONSTRAINT PRIMARY UNIQUE FOREIGN CHECK EXCLUDE LIKE KEY INDEX FULLTEXT SPATIAL".split()  # noqa: SIM905
)


@dataclass(slots=True)
class ReadColumn:
    """``bare`` without quotes; ``type`` and ``default`` are written as they stand; ``limits`` are numbers and values
    that checks and defaults state; ``strange`` is the first word that begins no constraint."""

    name: str
    line: int
    bare: bool = True
    type: str = ""
    arguments: tuple[str, ...] = ()
    nullable: bool = True
    primary: bool = False
    unique: bool = False
    limits: list[str] = field(default_factory=list)
    default: str = ""
    comment: str = ""
    strange: str = ""


@dataclass(frozen=True, slots=True)
class ReadForeign:
    """``targets`` is empty where the text leaves them to the other table's key, ``on_delete`` where
    it says nothing."""

    columns: tuple[str, ...]
    table: str
    targets: tuple[str, ...]
    line: int
    on_delete: str = ""


@dataclass(slots=True)
class ReadTable:
    name: str
    line: int
    bare: bool = True
    columns: list[ReadColumn] = field(default_factory=list)
    key: tuple[str, ...] = ()
    keys: int = 0
    uniques: list[tuple[tuple[str, ...], int]] = field(default_factory=list)
    foreign: list[ReadForeign] = field(default_factory=list)
    indexes: list[tuple[tuple[str, ...], int]] = field(default_factory=list)
    checks: list[tuple[tuple[str, ...], tuple[str, ...], int]] = field(default_factory=list)
    conditions: list[tuple[Token, ...]] = field(default_factory=list)

    def column(self, name: str) -> ReadColumn | None:
        return next((each for each in self.columns if each.name.casefold() == name.casefold()), None)


def closing(found: Sequence[Token], place: int) -> int:
    """The place of the bracket that closes the one at ``place``; the length where none does."""
    depth = 0
    for index in range(place, len(found)):
        if found[index].is_mark("("):
            depth += 1
        elif found[index].is_mark(")"):
            depth -= 1
            if depth == 0:
                return index
    return len(found)


def items_of(found: Sequence[Token]) -> Iterator[list[Token]]:
    """What commas part, those inside brackets aside."""
    item: list[Token] = []
    depth = 0
    for token in found:
        if token.is_mark(",") and depth == 0:
            yield item
            item = []
            continue
        depth += token.is_mark("(") - token.is_mark(")")
        item.append(token)
    yield item


def read_item(table: ReadTable, item: Sequence[Token]) -> str:
    """Add a column or a constraint to the table; what is wrong with it, if anything."""
    if not item:
        return f"table {table.name[:80]} has a comma too many"
    bare = item[0].kind == "word" and item[0].upper in _TABLE_ITEMS
    if bare and not _is_column_of_that_name(item):
        return _constraint(table, item)
    if item[0].kind not in ("word", "name"):
        return f"{item[0].text[:40]!r} is no column's name"
    return _column(table, item)


def _is_column_of_that_name(item: Sequence[Token]) -> bool:
    """``key TEXT`` or ``index INTEGER``: a word that only sometimes begins a constraint."""
    second = item[1] if len(item) > 1 else None
    loose = item[0].upper in ("KEY", "INDEX", "LIKE", "EXCLUDE", "SPATIAL", "FULLTEXT")
    if not loose or second is None or second.kind != "word":
        return False
    return second.upper not in ("KEY", "INDEX") and not any(token.is_mark("(") for token in item[1:3])


def names_in(found: Sequence[Token]) -> tuple[str, ...]:
    """The names of a bracketed list of columns, lengths and orders aside."""
    return tuple(each[0].text for each in items_of(found) if each and each[0].kind in ("word", "name"))


def _constraint(table: ReadTable, item: Sequence[Token]) -> str:
    place = 2 if item[0].upper == "CONSTRAINT" else 0
    kind = item[place].upper if place < len(item) else ""
    line = item[0].line
    opened = next((i for i in range(place, len(item)) if item[i].is_mark("(")), len(item))
    end = closing(item, opened)
    inner = item[opened + 1 : end]
    if kind == "CHECK":
        table.checks.append((_words(inner), _limits(inner), line))
        table.conditions.append(tuple(inner))
        return ""
    names = names_in(inner)
    if kind == "PRIMARY":
        table.key, table.keys = names, table.keys + 1
    elif kind == "UNIQUE":
        table.uniques.append((names, line))
    elif kind == "FOREIGN":
        return _references(table, names, item[end + 1 :], line)
    elif kind in ("KEY", "INDEX", "FULLTEXT", "SPATIAL"):
        table.indexes.append((names, line))
    elif kind not in ("EXCLUDE", "LIKE"):
        return f"constraint {' '.join(token.text for token in item[:3])[:80]!r} is not understood"
    return "" if names or kind in ("EXCLUDE", "LIKE") else f"{kind} of {table.name[:80]} names no column"


def _references(table: ReadTable, columns: tuple[str, ...], rest: Sequence[Token], line: int) -> str:
    if not rest or rest[0].upper != "REFERENCES" or len(rest) < 2:
        return f"FOREIGN KEY of {table.name[:80]} has no REFERENCES"
    place = 1
    name = rest[place].text
    while place + 2 < len(rest) and rest[place + 1].is_mark("."):
        place += 2
        name = rest[place].text
    targets: tuple[str, ...] = ()
    on_delete = _on_delete(rest)
    if place + 1 < len(rest) and rest[place + 1].is_mark("("):
        targets = names_in(rest[place + 2 : closing(rest, place + 1)])
    table.foreign.append(ReadForeign(columns, name, targets, line, on_delete))
    return ""


def _on_delete(rest: Sequence[Token]) -> str:
    """CASCADE of ON DELETE CASCADE."""
    uppers = [token.upper for token in rest[:24]]
    for place in range(len(uppers) - 2):
        if uppers[place : place + 2] == ["ON", "DELETE"]:
            action = uppers[place + 2]
            return (
                f"{action} {uppers[place + 3]}"
                if action in ("SET", "NO") and place + 3 < len(uppers)
                else action
            )
    return ""


def _column(table: ReadTable, item: Sequence[Token]) -> str:
    column = ReadColumn(item[0].text, item[0].line, item[0].kind == "word")
    table.columns.append(column)
    place = 1
    words: list[str] = []
    while place < len(item) and item[place].upper not in CONSTRAINT_WORDS:
        if item[place].is_mark("("):
            end = closing(item, place)
            column.arguments = tuple(token.text for token in item[place + 1 : end] if not token.is_mark(","))
            place = end + 1
        else:
            words.append(item[place].text)
            place += 1
    column.type = " ".join(words)
    while place < len(item):
        place = _column_constraint(table, column, item, place)
    return ""


def _column_constraint(table: ReadTable, column: ReadColumn, item: Sequence[Token], place: int) -> int:
    """Read one constraint of a column; the place behind it."""
    following = item[place + 1].upper if place + 1 < len(item) else ""
    match item[place].upper:
        case "NOT" if following == "NULL":
            column.nullable = False
            return place + 2
        case "PRIMARY":
            column.primary, column.nullable = True, False
            table.key, table.keys = (column.name,), table.keys + 1
        case "UNIQUE":
            column.unique = True
        case "REFERENCES":
            _references(table, (column.name,), item[place:], item[place].line)
            return _behind_references(item, place)
        case "CHECK" | "DEFAULT":
            return _expression(table, column, item, place)
        case "COMMENT" if place + 1 < len(item):
            column.comment = item[place + 1].text
            return place + 2
        case "AUTOINCREMENT":
            column.strange = item[place].text  # SQLite's; the only one that asks is MySQL
        case _ if item[place].is_mark("("):
            return closing(item, place) + 1
        case word if word not in CONSTRAINT_WORDS | _FOLLOWING and item[place].kind == "word":
            column.strange = column.strange or item[place].text
    return place + 1


def _behind_references(item: Sequence[Token], place: int) -> int:
    place += 2
    while place + 1 < len(item) and item[place].is_mark("."):
        place += 2
    return closing(item, place) + 1 if place < len(item) and item[place].is_mark("(") else place


def _expression(table: ReadTable, column: ReadColumn, item: Sequence[Token], place: int) -> int:
    if item[place].upper == "CHECK":
        end = closing(item, place + 1)
        inner = item[place + 2 : end]
        table.checks.append((_words(inner), _limits(inner), item[place].line))
        table.conditions.append(tuple(inner))
        column.limits += _limits(inner)
        return end + 1
    end = place + 1
    while end < len(item) and (item[end].upper not in CONSTRAINT_WORDS or end == place + 1):
        end = closing(item, end) + 1 if item[end].is_mark("(") else end + 1
    column.limits += _limits(item[place + 1 : end])
    column.default = "".join(token.text for token in item[place + 1 : end])
    return end


def _words(found: Sequence[Token]) -> tuple[str, ...]:
    """Names in an expression that may be columns: no functions, no casts."""
    kept = []
    for index, token in enumerate(found):
        called = index + 1 < len(found) and found[index + 1].is_mark("(")
        cast = index > 0 and found[index - 1].is_mark("::")
        if token.kind in ("word", "name") and not called and not cast:
            kept.append(token.text)
    return tuple(kept)


def _limits(found: Sequence[Token]) -> tuple[str, ...]:
    """Numbers and values that an expression states."""
    return tuple(token.text for token in found if token.kind in ("number", "string"))
