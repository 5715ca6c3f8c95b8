"""What models are asked for a database schema."""

from hone_generator.artifacts.sql_ddl.schema import Dialect

PROMPT_VERSION = "sql_ddl/1"  # stored with each attempt; raise it with every change of the texts below

_NAMES: dict[Dialect, str] = {"postgresql": "PostgreSQL", "sqlite": "SQLite", "mysql": "MySQL"}

_INSTRUCTIONS = """\
You read software requirements and write down the database schema that they state, for {dialect}, as one JSON \
document. The DDL is made from it; write no SQL.
Tables are the things that data is kept about; the system itself, its screens and its actions are none. Names are \
in snake_case, tables all in the singular, with the words of the requirements.
Every table has a primary key: what identifies the thing if the text says so, else an id of type int. Every relation \
is a foreign key: on the side that has one of the other; a table between the two, whose primary key is both foreign \
keys, where both have many. columns and targets of a foreign key are lists, of the same length.
nullable is false for what a row makes no sense without. unique is true only if the text says so. Limits that the \
text states are checks: column, operator, value; value is a number, a date or another column of the table. An enum \
has the values that the text names.
State only what the text states. Invent nothing; leave out what you are not sure of.
evidence quotes the words that say so, verbatim from the text, at most one sentence.
First write in reasoning, in a few sentences, which tables there are and how they relate; then the tables."""


def instructions(dialect: Dialect) -> str:
    return _INSTRUCTIONS.format(dialect=_NAMES[dialect])
