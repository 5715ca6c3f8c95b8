"""The grammars of the dialects: what they refuse, what they take, and that hostile text costs bounded time."""

import time
from collections.abc import Mapping, Sequence

import pytest
from asking import verdicts

from hone_generator.artifacts.kind import Subject
from hone_generator.artifacts.sql_ddl.grammar import fault_of
from hone_generator.artifacts.sql_ddl.kind import SqlDdl
from hone_generator.artifacts.sql_ddl.schema import DIALECTS, Dialect

KIND = SqlDdl()

WRONG_EVERYWHERE = [
    ("CREATE TABLE t (id int,)", 1),
    ("CREATE TABLE t (id int);\nCREAT TABLE u (id int)", 2),
    ("CREATE TABLE t (\n  id int PRIMRY KEY\n)", 2),
    ("CREATE TABLE t (\n  id int,\n  a int NOT NUL\n)", 3),
    ("CREATE TABLE t (id int", 1),
    ("CREATE TABLE t id int", 1),
    ("CREATE TABLE (id int)", 1),
    ("CREATE TABLE t (id int, FOREIGN KEY id REFERENCES u (id))", 1),
    ("CREATE TABLE t (id int DEFAULT)", 1),
    ("CREATE TABLE t (id int, a varchar(255) DEFAULT 'x)", 1),
    ("hello world", 1),
    ("", None),
    ("-- nothing", None),
]  # fmt: skip
# Each of these is fine somewhere else.
WRONG_HERE: Mapping[Dialect, Sequence[str]] = {
    "postgresql": ["CREATE TABLE t (id int AUTO_INCREMENT)", "CREATE TABLE `t` (id int)", "CREATE TABLE t (a b c)"],
    "sqlite": ["CREATE TABLE t (order int)", "CREATE TYPE mood AS ENUM ('sad')", "CREATE TABLE t (a int, a text)"],
    "mysql": [
        "CREATE TABLE t (order int)", "CREATE TABLE t (id)", "CREATE TABLE t (a varchar)", "CREATE TABLE t (a jsonb)",
        "CREATE TABLE t (id int AUTOINCREMENT)", "CREATE INDEX i ON t", "CREATE TABLE t (id int) foo", "SELECT 1",
        "CREATE TABLE t (a timestamptz)", "CREATE TABLE t (id int) CREATE TABLE u (id int)",
        "CREATE TABLE t (id serial8)",
    ],
}  # fmt: skip
RIGHT_HERE: Mapping[Dialect, Sequence[str]] = {
    "postgresql": [
        "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE t (m mood, tags text[] DEFAULT '{}', x tsvector)",
        "CREATE TABLE t (id bigserial PRIMARY KEY, EXCLUDE USING gist (r WITH &&)); COMMENT ON TABLE t IS 'x'",
        "CREATE UNIQUE INDEX CONCURRENTLY ON t (lower(email)) WHERE deleted_at IS NULL",
    ],
    "sqlite": [
        "PRAGMA foreign_keys = ON; CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY AUTOINCREMENT) STRICT",
        "CREATE TABLE t (a TEXT CHECK (length(a) < 5) COLLATE NOCASE); CREATE VIEW v AS SELECT a FROM t",
        "BEGIN; DROP TABLE IF EXISTS t; CREATE TABLE t (a); ALTER TABLE t ADD COLUMN b INT; COMMIT",
    ],
    "mysql": [
        "CREATE TABLE `order` (id INT UNSIGNED NOT NULL AUTO_INCREMENT, s ENUM('a','b') DEFAULT 'a',"
        " PRIMARY KEY (id), KEY k (s)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
        "SET NAMES utf8mb4; DROP TABLE IF EXISTS t; CREATE TABLE t (a VARCHAR(9) CHARACTER SET utf8mb4 NOT NULL)",
        "CREATE TABLE t (a DATETIME DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP COMMENT 'x')",
        "CREATE TABLE t (id INT PRIMARY KEY, u INT, b DECIMAL(10,2) CHECK (b > 0),"
        " CONSTRAINT f FOREIGN KEY (u) REFERENCES u (id) ON DELETE SET NULL ON UPDATE CASCADE);"
        " CREATE INDEX i ON t (u)",
    ],
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(("text", "line"), WRONG_EVERYWHERE)
def test_what_no_dialect_takes_is_a_fault_with_its_line(
    text: str, line: int | None, dialect: Dialect
) -> None:
    fault = fault_of(text, dialect)
    if dialect == "sqlite" and "PRIMRY" in text:
        text = f"{text};\n)"  # SQLite takes any words for a type
        fault, line = fault_of(text, dialect), text.count("\n") + 1
    assert fault is not None
    assert line is None or fault.startswith(f"line {line}: "), fault


@pytest.mark.parametrize(
    ("dialect", "text"), [(d, text) for d, texts in WRONG_HERE.items() for text in texts]
)
def test_what_belongs_to_another_dialect_is_a_fault(dialect: Dialect, text: str) -> None:
    assert fault_of(text, dialect) is not None


@pytest.mark.parametrize(
    ("dialect", "text"), [(d, text) for d, texts in RIGHT_HERE.items() for text in texts]
)
def test_the_dialects_own_ways_are_none(dialect: Dialect, text: str) -> None:
    assert fault_of(text, dialect) is None


@pytest.mark.parametrize(
    "text",
    [
        "ATTACH DATABASE '/tmp/stolen.db' AS x",
        "CREATE TABLE t (a); INSERT INTO t VALUES (1)",
        "PRAGMA journal_mode = WAL",
        "CREATE TABLE t AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
        "SELECT load_extension('x')",
        "VACUUM INTO '/tmp/x'",
        "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT 1; END",
    ],
)
def test_sqlite_does_nothing_but_define(text: str) -> None:
    begun = time.monotonic()
    assert fault_of(text, "sqlite") is not None
    assert time.monotonic() - begun < 5


HUGE = [
    "(" * 40_000,
    "CREATE TABLE t (a int CHECK (" + "(" * 20_000 + "1" + ")" * 20_000 + "))",
    "CREATE TABLE t (a int CHECK (a = 1" + " + 1" * 20_000 + "))",
    "CREATE TABLE t (" + ",".join(f"a{i} int" for i in range(9_000)) + ",)",
    "CREATE TABLE t (a int);" * 5_000,
    "'\\" * 40_000,
    '"' * 40_001,
    "[a" * 40_000,
    "/*" * 40_000,
    "/*" * 40_000 + "*/",
    "$a$" * 26_667,
    "x" * 300_000,
    "\x00",
    "\ud800",
]


@pytest.mark.parametrize(
    ("number", "dialect"),
    [(n, "postgresql") for n in range(len(HUGE))]
    + [(n, d) for n in range(1, 6) for d in ("sqlite", "mysql")],
)
async def test_hostile_text_is_judged_in_bounded_time(number: int, dialect: Dialect) -> None:
    begun = time.monotonic()
    found = await verdicts(KIND, HUGE[number], dialect=dialect)
    KIND.read(Subject(HUGE[number], options={"dialect": dialect})).outline()
    assert time.monotonic() - begun < 20
    assert not all(each.passed for each in found.values())


@pytest.mark.parametrize("signs", ["# ", "+", "<", "@-", "#"])
def test_signs_in_a_row_take_no_longer_than_their_length_demands(signs: str) -> None:
    text = "CREATE TABLE a (id INT DEFAULT " + signs * (39_000 // len(signs))
    begun = time.monotonic()
    assert fault_of(text, "postgresql") is not None
    assert time.monotonic() - begun < 3  # half a minute before


def test_a_row_of_signs_is_told_with_its_line() -> None:
    fault = fault_of("CREATE TABLE a (\n  id INT CHECK (id " + "+" * 64 + " 1)\n);", "postgresql")
    assert fault is not None
    assert fault.startswith("line 2: no operator")


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE b AS SELECT printf('%.*c', 1000000000, 'x') AS c",
        "CREATE TABLE b AS VALUES (printf('%.*c', 1000000000, 'x'))",
        "SELECT printf('%.*c', 1000000000, 'x')",
        "CREATE TABLE view AS SELECT printf('%.*c', 1000000000, 'x') AS c",
        "CREATE TABLE b AS WITH c AS (SELECT 'aaaa' AS d) SELECT d LIKE '%a%a%b' AS e FROM c",
    ],
)
def test_sqlite_runs_no_query(statement: str) -> None:
    begun = time.monotonic()
    fault = fault_of(f"CREATE TABLE a (id INTEGER);\n{statement};", "sqlite")
    assert fault is not None
    assert fault.startswith("line 2: only tables, indexes and views are created here")
    assert time.monotonic() - begun < 2


def test_sqlite_takes_a_view_and_columns_that_sound_like_a_query() -> None:
    text = """CREATE TABLE a (id INTEGER, "select" TEXT DEFAULT 'SELECT 1'); -- select
CREATE VIEW b AS SELECT count(*) AS c FROM a;"""
    assert fault_of(text, "sqlite") is None
