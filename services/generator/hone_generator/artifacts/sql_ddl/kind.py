"""SQL DDL as an artifact type."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType

from hone_contracts.artifacts import ArtifactType, ValidatorResult
from hone_contracts.registry import Reading
from hone_generator.artifacts.data_model import read_data_model
from hone_generator.artifacts.extract import Unreadable, fenced
from hone_generator.artifacts.held import MOST_ANSWER_CHARS, evidence_for, read_answer, schema_of
from hone_generator.artifacts.inverse import Quotes
from hone_generator.artifacts.kind import Ask, Brief, Draft, Parsed, Subject, Tell, Tools
from hone_generator.artifacts.left_out import LeftOut
from hone_generator.artifacts.options import choice
from hone_generator.artifacts.prompting import whole_messages
from hone_generator.artifacts.sql_ddl import inverse, prompts
from hone_generator.artifacts.sql_ddl.answer import Answer, answer_of, quotes
from hone_generator.artifacts.sql_ddl.build import schema_of_answer
from hone_generator.artifacts.sql_ddl.checks import ParsedDdl
from hone_generator.artifacts.sql_ddl.grammar import fault_of
from hone_generator.artifacts.sql_ddl.read import read_ddl
from hone_generator.artifacts.sql_ddl.render import render
from hone_generator.artifacts.sql_ddl.schema import DIALECTS, Dialect
from hone_generator.validators.base import result

_FENCES = frozenset(
    {"sql", "postgresql", "postgres", "pgsql", "plpgsql", "sqlite", "sqlite3", "mysql", "ddl"}
)
_MOST_RETRIED_CHARS = 50_000  # asking three grammars takes its time
_SQL = re.compile(r"\bCREATE\s+(?:\w+\s+){0,2}TABLE\b", re.IGNORECASE)


class SqlDdl:
    """Reads tables (or facts), renders them in the dialect that ``options["dialect"]`` names. SQL that a model writes
    instead is taken as it is."""

    type = ArtifactType.SQL_DDL
    prompt_version = prompts.PROMPT_VERSION
    readings: frozenset[Reading] = frozenset({"whole", "passages", "passages_schema"})
    suffix = ".sql"
    options: Mapping[str, Sequence[str]] = MappingProxyType({"dialect": DIALECTS})

    async def make(self, brief: Brief, ask: Ask, tell: Tell) -> Draft:
        """Raises BadOption for an unknown dialect, and what ``ask`` raises."""
        dialect = dialect_of(brief.options)
        if brief.reading != "whole":
            read = await read_data_model(brief, ask, tell)
            schema = schema_of_answer(answer_of(read.model))
            ir = {
                "dialect": dialect,
                "diagram": read.diagram.to_json(),
                "left_out": schema.left_out.to_json(),
            }
            return Draft(render(schema, dialect), ir, read.evidence, (*read.notes, *schema.left_out.notes))
        text = await ask(whole_messages(prompts.instructions(dialect), brief), schema_of(Answer))
        try:
            answer = read_answer(Answer, text)
        except Unreadable as error:
            return _written(text, dialect, error)
        schema = schema_of_answer(answer)
        ir = {"dialect": dialect, **answer.model_dump(mode="json"), "left_out": schema.left_out.to_json()}
        evidence = evidence_for(quotes(answer), brief.requirements)
        return Draft(render(schema, dialect), ir, evidence, schema.left_out.notes, text)

    def read(self, subject: Subject) -> Parsed:
        dialect = dialect_of(subject.options)
        return ParsedDdl(read_ddl(subject.content, dialect), dialect, LeftOut.of(subject.draft))

    def answer_of(self, subject: Subject, quotes: Quotes) -> str:
        """Raises BadOption for an unknown dialect, too."""
        return inverse.answer_of(subject.content, dialect_of(subject.options), quotes)

    async def syntax(self, subject: Subject, tools: Tools) -> ValidatorResult:  # noqa: ARG002 (no process of its own is asked)
        """Raises BadOption for an unknown dialect."""
        fault = await asyncio.to_thread(_fault, subject.content, dialect_of(subject.options))
        return result("syntax", 0 if fault else 100, [fault] if fault else [], passed=fault is None)


def dialect_of(options: Mapping[str, str]) -> Dialect:
    found = choice(options, "dialect", DIALECTS, "postgresql")
    return next(each for each in DIALECTS if each == found)


def _fault(content: str, dialect: Dialect) -> str | None:
    """A text of another dialect is told so, since its first strange character says little."""
    fault = fault_of(content, dialect)
    if fault is None or len(content) > _MOST_RETRIED_CHARS:
        return fault
    other = next((each for each in DIALECTS if each != dialect and fault_of(content, each) is None), None)
    return (
        fault
        if other is None
        else f"{fault}: this is {other}, and {dialect} is what the option dialect asks for"
    )


def _written(text: str, dialect: Dialect, error: Unreadable) -> Draft:
    """SQL in free text is what was wanted after all; anything else is none."""
    written = fenced(text[:MOST_ANSWER_CHARS], _FENCES)
    if _SQL.search(written):
        return Draft(written + "\n", {"dialect": dialect}, answer=text)
    return Draft(
        "", {"dialect": dialect}, notes=(f"the answer could not be read: {error.reason}",), answer=text
    )
