"""Writes table-conventions.jsonl and table-thumbs.jsonl: `python examples/training/make.py [FOLDER]`.

A team of database people writes requirements as it speaks: identifiers in snake_case, tables in the plural, audit
columns by name. It wants its tables in the singular, without "table" in their names, and the audit columns with
their types. Each row of the first file is such a text and the DDL that the team would have, in the form in which Hone
writes it. The second file has other texts, each with an answer that somebody was for and one that somebody was
against: that is all text, and points nowhere. The same seed gives the same bytes.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

ROWS, THUMBS, SEED = 300, 24, 7
HERE = Path(__file__).parent

# {T} is a table as the text writes it, {P} and {C} a parent and a child, {list} some columns.
COLUMNS = (
    "Table {T} holds {list}.",
    "The {T} table keeps {list}.",
    "Columns of {T}: {list}.",
    "In {T} we store {list}.",
)
AUDITS = (
    "The {T} table is audited by {list}.",
    "Audit columns of {T}: {list}.",
    "Rows of {T} are stamped with {list}.",
    "Stamp {T} with {list}.",
)
NUMBERS = (
    "Table {T} has the unique number {number}.",
    "The {number} of {T} is unique.",
    "In {T} every {number} is unique.",
)
POINTERS = (
    "Rows of {C} point to {P}.",
    "Table {C} references table {P}.",
    "The {C} table hangs off the {P} table.",
    "One row of {P} is shared by many rows of {C}.",
)
UNTOLD = (
    "The nightly job reloads {T}.",
    "Analysts read the {T} table.",
    "Old rows of {T} move to the archive.",
    "The {T} table lives in the reporting schema.",
)
AUDIT = ("created_at", "created_by", "updated_at", "updated_by", "deleted_at")

_TYPES = {
    "date": "date", "deadline": "date", "time": "timestamptz", "at": "timestamptz",
    "count": "integer", "quantity": "integer", "duration": "integer", "seats": "integer", "floor": "integer",
    "year": "integer", "capacity": "integer", "copies": "integer", "points": "integer",
    "weight": "double precision", "length": "double precision", "width": "double precision",
    "height": "double precision", "depth": "double precision", "area": "double precision",
    "volume": "double precision", "speed": "double precision", "distance": "double precision",
    "temperature": "double precision", "mileage": "double precision", "percentage": "double precision",
    "flag": "boolean", "description": "text", "comment": "text", "remark": "text", "reason": "text",
    "summary": "text", "text": "text",
}  # fmt: skip
_MONEY, _TEXT = "numeric(12, 2)", "varchar(255)"


@dataclass(frozen=True)
class Table:
    """``columns`` as trades.txt writes them."""

    name: str
    parent: str | None
    columns: tuple[str, ...]


@dataclass
class Told:
    """What a text has said of a table so far: column to type."""

    columns: dict[str, str]
    unique: str | None = None
    parent: str | None = None


def main(out: Path = HERE) -> int:
    trades = list(read_trades((HERE / "trades.txt").read_text(encoding="utf-8")))
    rng = Random(SEED)  # noqa: S311 - texts, no secrets
    answered: dict[str, str] = {}
    while len(answered) < ROWS:
        trade = trades[len(answered) % len(trades)]
        requirements, told = text(rng, trade)
        answered.setdefault(requirements, ddl(told, trade))
    judged: dict[str, tuple[str, str]] = {}
    while len(judged) < THUMBS:
        trade = trades[len(judged) % len(trades)]
        requirements, told = text(rng, trade)
        if requirements not in answered:
            judged.setdefault(requirements, (ddl(told, trade), ddl(hasty(told), trade)))
    write(out / "table-conventions.jsonl", (_chat(*each) for each in answered.items()))
    thumbs = (
        _thumb(requirements, answer, good=good)
        for requirements, answers in judged.items()
        for answer, good in zip(answers, (True, False), strict=True)
    )
    write(out / "table-thumbs.jsonl", thumbs)
    return 0


def write(path: Path, rows: Iterable[object]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _chat(requirements: str, answer: str) -> dict[str, object]:
    return {
        "messages": [
            {"role": "user", "content": requirements},
            {"role": "assistant", "content": answer},
        ]
    }


def _thumb(requirements: str, answer: str, *, good: bool) -> dict[str, object]:
    return {"prompt": requirements, "completion": answer, "label": good}


def read_trades(text: str) -> Iterator[tuple[Table, ...]]:
    for block in text.split("\n\n"):
        lines = [line for line in block.splitlines() if line and not line.startswith("#")]
        if len(lines) > 1:
            yield tuple(map(_table, lines[1:]))


def _table(line: str) -> Table:
    name, _, columns = line.partition(": ")
    name, _, parent = name.partition(" < ")
    return Table(name, parent or None, tuple(columns.split(", ")))


def text(rng: Random, trade: Sequence[Table]) -> tuple[str, dict[str, Told]]:
    """Requirements, and what they state."""
    chosen = rng.sample(trade, rng.choice((2, 3, 3)))
    told: dict[str, Told] = {}
    sentences = [sentence for table in chosen for sentence in _sentences(rng, table, trade, told)]
    rng.shuffle(sentences)
    return " ".join(sentences) + "\n", told


def hasty(told: dict[str, Told]) -> dict[str, Told]:
    """As somebody would answer who does not think of types and keys."""
    return {name: Told(dict.fromkeys(each.columns, _TEXT)) for name, each in told.items()}


def _sentences(rng: Random, table: Table, trade: Sequence[Table], told: dict[str, Told]) -> Iterator[str]:
    about = told.setdefault(table.name, Told({}))
    some = _some(rng, table.columns, rng.choice((2, 3)))
    yield _say(rng, COLUMNS, table, list=_listed([_bare(each) for each in some]))
    about.columns |= {_bare(each): _type(each) for each in some}
    if rng.random() < 0.8:
        stamps = _some(rng, AUDIT, rng.choice((2, 2, 3, 4)))
        yield _say(rng, AUDITS, table, list=_listed(stamps))
        about.columns |= {stamp: _type(stamp) for stamp in stamps}
    number = next((_bare(each) for each in table.columns if each.endswith("#")), None)
    if number and rng.random() < 0.35:
        yield _say(rng, NUMBERS, table, number=number)
        about.columns[number], about.unique = _TEXT, number
    parent = next((each for each in trade if each.name == table.parent), None)
    if parent and rng.random() < 0.9:
        yield rng.choice(POINTERS).format(C=_written(rng, table.name), P=_written(rng, parent.name))
        about.parent = parent.name
        told.setdefault(parent.name, Told({}))
    if rng.random() < 0.25:
        yield _say(rng, UNTOLD, table)


def _some(rng: Random, columns: Sequence[str], count: int) -> list[str]:
    """So many of them, in their order."""
    chosen = rng.sample(columns, min(count, len(columns)))
    return [each for each in columns if each in chosen]


def _say(rng: Random, templates: Sequence[str], table: Table, **slots: str) -> str:
    return rng.choice(templates).format(T=_written(rng, table.name), **slots)


def _written(rng: Random, name: str) -> str:
    """Mostly in the plural, as people name what holds many."""
    return plural(name) if rng.random() < 0.75 else name


def plural(name: str) -> str:
    if name.endswith("y") and name[-2] not in "aeiou":
        return name[:-1] + "ies"
    return name + ("es" if name.endswith(("s", "x", "ch", "sh")) else "s")


def _bare(column: str) -> str:
    return column.rstrip("#$")


def _type(column: str) -> str:
    return _MONEY if column.endswith("$") else _TYPES.get(column.rpartition("_")[2], _TEXT)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def ddl(told: dict[str, Told], trade: Sequence[Table]) -> str:
    """Parents first, each table with a key of its own, and an index on what points elsewhere."""
    names = [table.name for table in trade if table.name in told]
    tables = [_create(name, told[name]) for name in names]
    indexes = [
        f"CREATE INDEX idx_{name}_{parent}_id ON {name} ({parent}_id);"
        for name in names
        if (parent := told[name].parent)
    ]
    return "\n\n".join([*tables, *(["\n".join(indexes)] if indexes else [])]) + "\n"


def _create(name: str, told: Told) -> str:
    lines = ["id integer GENERATED BY DEFAULT AS IDENTITY"]
    lines += [
        f"{column} {kind}{' NOT NULL' * (column == told.unique)}" for column, kind in told.columns.items()
    ]
    if told.parent:
        lines.append(f"{told.parent}_id integer NOT NULL")
    lines.append("PRIMARY KEY (id)")
    if told.unique:
        lines.append(f"UNIQUE ({told.unique})")
    if told.parent:
        lines.append(f"FOREIGN KEY ({told.parent}_id) REFERENCES {told.parent} (id)")
    return f"CREATE TABLE {name} (\n" + ",\n".join(f"    {line}" for line in lines) + "\n);"


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:2])))
