"""Rendered DDL is executed by the databases it is for, whatever the names."""

import sqlite3
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from erd_strategies import diagrams
from hypothesis import HealthCheck, given, settings
from sql_strategies import answers

from hone_generator.artifacts.data_model import data_model
from hone_generator.artifacts.mermaid_erd.ir import Diagram
from hone_generator.artifacts.sql_ddl.answer import (
    Answer,
    StatedColumn,
    StatedForeignKey,
    StatedTable,
    answer_of,
)
from hone_generator.artifacts.sql_ddl.build import schema_of_answer
from hone_generator.artifacts.sql_ddl.render import render

Postgres = Any  # asyncpg ships no types


TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'made'"
FOREIGN_KEYS = """SELECT conrelid::regclass || ' -> ' || confrelid::regclass FROM pg_constraint
    WHERE contype = 'f' AND connamespace = 'made'::regnamespace ORDER BY 1"""


@pytest.fixture
async def postgres(postgres_server: str) -> AsyncIterator[Postgres]:
    connection = await asyncpg.connect(postgres_server)
    yield connection
    await connection.close()


async def executed(postgres: Postgres, ddl: str, query: str = TABLES) -> list[str]:
    """Run the statements in a schema of their own and take it back; what the query told before."""
    transaction = postgres.transaction()
    await transaction.start()
    try:
        await postgres.execute("CREATE SCHEMA made; SET LOCAL search_path TO made")
        await postgres.execute(f"SELECT 1; {ddl}")  # asyncpg cannot execute an empty text
        return [row[0] for row in await postgres.fetch(query)]
    finally:
        await transaction.rollback()


def executed_by_sqlite(ddl: str) -> list[str]:
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.executescript(ddl)
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:  # a foreign key to what is no key is only found when it is used
            connection.execute('DELETE FROM "' + table.replace('"', '""') + '"')
        return tables
    finally:
        connection.close()


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(answers())
async def test_postgresql_executes_any_answer(postgres: Postgres, answer: Answer) -> None:
    schema = schema_of_answer(answer)
    assert set(await executed(postgres, render(schema, "postgresql"))) == {
        each.name for each in schema.tables
    }


@settings(max_examples=80, deadline=None)
@given(answers())
def test_sqlite_executes_any_answer(answer: Answer) -> None:
    schema = schema_of_answer(answer)
    assert set(executed_by_sqlite(render(schema, "sqlite"))) == {each.name for each in schema.tables}


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(diagrams())
async def test_any_data_model_is_executed_with_nothing_left_out(postgres: Postgres, diagram: Diagram) -> None:
    model = data_model(diagram)
    schema = schema_of_answer(answer_of(model))
    assert schema.left_out.notes == ()
    assert len(await executed(postgres, render(schema, "postgresql"))) == len(model.entities)
    assert len(executed_by_sqlite(render(schema, "sqlite"))) == len(model.entities)


async def test_every_keyword_of_postgresql_can_be_a_name(postgres: Postgres) -> None:
    words = [row["word"] for row in await postgres.fetch("SELECT word FROM pg_get_keywords()")]
    columns = [StatedColumn(name=word, type="int") for word in words]
    tables = [StatedTable(name=word, columns=[StatedColumn(name="id", type="int")]) for word in words[:200]]
    many = [
        StatedTable(name=f"t{start}", columns=columns[start : start + 200])
        for start in range(0, len(columns), 200)
    ]
    made = [render(schema_of_answer(Answer(tables=each)), "postgresql") for each in (tables, many)]
    rest = render(
        schema_of_answer(
            Answer(
                tables=[
                    each.model_copy(update={"name": w}) for each, w in zip(tables, words[200:], strict=False)
                ]
            )
        ),
        "postgresql",
    )
    assert len(await executed(postgres, made[0])) == 200
    assert len(await executed(postgres, made[1])) == len(many)
    assert len(await executed(postgres, rest)) == len(words[200:400])


async def test_tables_that_point_to_each_other_are_made_with_both_keys(postgres: Postgres) -> None:
    tables = [
        StatedTable(
            name=own,
            columns=[StatedColumn(name="id", type="int"), StatedColumn(name="other", type="text")],
            primary_key=["id"],
            foreign_keys=[StatedForeignKey(columns=["other"], table=other)],
        )
        for own, other in (("team", "player"), ("player", "team"), ("coach", "team"))
    ]
    schema = schema_of_answer(Answer(tables=tables))
    made = await executed(postgres, render(schema, "postgresql"), FOREIGN_KEYS)
    assert made == ["coach -> team", "player -> team", "team -> player"]
    assert len(executed_by_sqlite(render(schema, "sqlite"))) == 3
    assert render(schema, "mysql").count("FOREIGN KEY") == 3
    assert render(schema, "mysql").count("ALTER TABLE") == 1


@pytest.mark.parametrize("names", [["a", "a_pkey", "a_b_key"], ["a_pkey", "a_b_key", "a"]])
async def test_a_table_named_like_another_ones_index_is_made(postgres: Postgres, names: list[str]) -> None:
    columns = [StatedColumn(name="id", type="int"), StatedColumn(name="b", type="int", unique=True)]
    to_a = [StatedForeignKey(columns=["b"], table="a")]  # so that it is made after the one with the index
    tables = [
        StatedTable(name=name, columns=columns, primary_key=["id"], foreign_keys=[] if name == "a" else to_a)
        for name in names
    ]
    schema = schema_of_answer(Answer(tables=tables))
    assert len(await executed(postgres, render(schema, "postgresql"))) == 3


async def test_a_column_that_points_to_two_types_keeps_the_first(postgres: Postgres) -> None:
    keys = {"member": "int", "book": "uuid"}
    tables = [
        StatedTable(name=name, columns=[StatedColumn(name="id", type=kind)], primary_key=["id"])
        for name, kind in keys.items()
    ]
    foreign = [StatedForeignKey(columns=["owner"], table=name) for name in keys]
    tables.append(StatedTable(name="tag", columns=[StatedColumn(name="owner")], foreign_keys=foreign))
    schema = schema_of_answer(Answer(tables=tables))
    assert await executed(postgres, render(schema, "postgresql"), FOREIGN_KEYS) == ["tag -> member"]
    assert schema.left_out.dangling == ["foreign key tag (owner): the types differ from those of book"]
