"""Hypothesis strategies for tables as models state them: hostile names, wrong types, keys that lead nowhere."""

from typing import get_args

from erd_strategies import HOSTILE
from hypothesis import strategies as st

from hone_generator.artifacts.sql_ddl.answer import (
    Answer,
    StatedCheck,
    StatedColumn,
    StatedForeignKey,
    StatedTable,
)
from hone_generator.artifacts.sql_ddl.schema import Operator, SqlType

NAMES = [
    *HOSTILE,
    "id", "order", "user", "select", "table", "group", "a", "b", "c", "a_pkey", "a_b_key", "a_id_seq", "idx_a_b",
    "pg_class", "sqlite_master", "xmin", "ctid", "tableoid", "db_row_id", "rowid", "né", "ne", "Größe", "ß",
    "'; DROP TABLE a; --", "a\"b", "a`b", "a]b", "$1", "@x", "x" * 80, "ü" * 80, "ﬁle", "𝐀", "information_schema.x",
]  # fmt: skip
names = st.one_of(
    st.sampled_from(NAMES), st.sampled_from(["id", "a", "b", "c", "a_id"]), st.text(max_size=10)
)
types = st.one_of(
    st.sampled_from(get_args(SqlType)),
    st.sampled_from(["VARCHAR(80)", "varchar(99999)", "numeric(5,9)", "decimal(99)", "", "("]),
)  # fmt: skip
values = st.one_of(
    st.sampled_from(
        ["", "0", "-1", "18", "3.5", "99999999999999999999", "1e9", "true", "FALSE", "now", "null", "open", "it's",
         "\\", "\\'", "%", "2024-02-30", "2024-02-29", "0001-01-01", "2024-01-01T10:00:00",
         "25:00", "10:00", "\x00", "a"]
    ),
    st.text(max_size=8),
)  # fmt: skip
groups = st.lists(names, max_size=3)

columns = st.builds(
    StatedColumn, evidence=st.just(""), name=names, type=types, nullable=st.booleans(), unique=st.booleans(),
    length=st.sampled_from([0, 0, 1, 40, 255, 4000, 10**9, -5]), values=st.lists(values, max_size=4), default=values,
)  # fmt: skip


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    """Keys and checks mostly name columns that are there, as models do."""
    tables = []
    said = draw(st.lists(names, max_size=5))
    for name in said:
        own = draw(st.lists(columns, max_size=5))
        known = st.one_of(st.sampled_from([each.name for each in own]), names) if own else names
        group = st.lists(known, max_size=3)
        foreign = st.builds(
            StatedForeignKey, columns=group, table=st.one_of(st.sampled_from(said), names),
            targets=st.one_of(st.just([]), groups),
            on_delete=st.sampled_from(["", "CASCADE", "set null", "RESTRICT", "x"]),
        )  # fmt: skip
        check = st.builds(
            StatedCheck,
            column=known,
            operator=st.sampled_from([*get_args(Operator), "!=", "LIKE"]),
            value=st.one_of(values, known),
        )
        tables.append(
            StatedTable(
                evidence="",
                name=name,
                columns=own,
                primary_key=draw(group),
                unique=draw(st.lists(group, max_size=2)),
                checks=draw(st.lists(check, max_size=3)),
                foreign_keys=draw(st.lists(foreign, max_size=3)),
                indexes=draw(st.lists(group, max_size=2)),
            )
        )
    return Answer(tables=tables)
