"""From an artifact back to the answer that it is made of: what a type makes of that answer is the artifact again."""

import random
from pathlib import Path

import mermaid_diagrams
import pytest
from asking import made
from erd_strategies import diagrams
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sql_strategies import answers as sql_answers
from type_strategies import stated_types

from hone_contracts.artifacts import ArtifactType, Evidence
from hone_generator.artifacts import KINDS
from hone_generator.artifacts.extract import fenced
from hone_generator.artifacts.inverse import Inexpressible, Quotes
from hone_generator.artifacts.json_schema.answer import Answer as SchemaAnswer
from hone_generator.artifacts.json_schema.answer import render as render_schema
from hone_generator.artifacts.json_schema.answer import schema_of_answer
from hone_generator.artifacts.kind import Subject
from hone_generator.artifacts.mermaid_class import render as class_render
from hone_generator.artifacts.mermaid_erd.keys import with_keys
from hone_generator.artifacts.mermaid_erd.render import render as render_erd
from hone_generator.artifacts.mermaid_flowchart import render as flowchart_render
from hone_generator.artifacts.mermaid_sequence import render as sequence_render
from hone_generator.artifacts.mermaid_state import render as state_render
from hone_generator.artifacts.openapi.answer import Answer as ApiAnswer
from hone_generator.artifacts.openapi.answer import StatedOperation
from hone_generator.artifacts.openapi.render import document_of, to_yaml
from hone_generator.artifacts.sql_ddl.answer import Answer as SqlAnswer
from hone_generator.artifacts.sql_ddl.build import schema_of_answer as sql_of_answer
from hone_generator.artifacts.sql_ddl.render import render as render_sql
from hone_generator.artifacts.sql_ddl.schema import DIALECTS
from hone_generator.teaching.agreement import agreement, unlike

ANSWERS = Path(__file__).parents[3] / "tests" / "support" / "answers"
LENIENT = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
TEXT = "A member has a name and borrows books."


async def again(type_: ArtifactType, content: str, **options: str) -> str:
    """What the type makes of the answer that its artifact goes back to."""
    kind = KINDS[type_]
    answer = kind.answer_of(Subject(content, TEXT, options=options), Quotes())
    return (await made(kind, TEXT, answer, "whole", **options)).content


async def canonical(type_: ArtifactType) -> str:
    """A model's good answer as the type renders it."""
    text = (ANSWERS / f"{type_}.md").read_text(encoding="utf-8")
    return (await made(KINDS[type_], TEXT, text)).content


@pytest.mark.parametrize("type_", list(ArtifactType))
async def test_what_models_write_comes_back_as_it_was(type_: ArtifactType) -> None:
    content = await canonical(type_)
    found = await again(type_, content)

    # A root without a name has become a type with one, so its members are other members to the comparison.
    lost = (
        {"member book", "member member", "member reservation"} if type_ is ArtifactType.JSON_SCHEMA else set()
    )
    assert set(unlike(KINDS[type_], found, content)) == lost
    assert await again(type_, found) == found


@pytest.mark.parametrize(
    ("type_", "module", "thrown"),
    [
        (ArtifactType.MERMAID_FLOWCHART, flowchart_render, mermaid_diagrams.flowchart),
        (ArtifactType.MERMAID_SEQUENCE, sequence_render, mermaid_diagrams.sequence),
        (ArtifactType.MERMAID_STATE, state_render, mermaid_diagrams.state),
        (ArtifactType.MERMAID_CLASS, class_render, mermaid_diagrams.class_diagram),
    ],
)
async def test_diagrams_come_back_whatever_stands_in_them(type_, module, thrown) -> None:  # type: ignore[no-untyped-def]
    empty = 0
    for seed in range(150):
        content = module.render(module.settled(thrown(random.Random(seed))))
        try:
            found = await again(type_, content)
        except Inexpressible:
            empty += 1
            continue
        scores = agreement(KINDS[type_], found, content)
        assert (scores.overall or 1.0) > 0.9, content
    assert empty < 50


@given(sql_answers(), st.sampled_from(DIALECTS))
@LENIENT
async def test_tables_come_back_whatever_stands_in_them(answer: SqlAnswer, dialect: str) -> None:
    schema = sql_of_answer(answer)
    content = render_sql(schema, next(each for each in DIALECTS if each == dialect))
    if not schema.tables:
        with pytest.raises(Inexpressible):
            await again(ArtifactType.SQL_DDL, content, dialect=dialect)
        return
    found = await again(ArtifactType.SQL_DDL, content, dialect=dialect)
    options = {"dialect": dialect}
    assert tuple(unlike(KINDS[ArtifactType.SQL_DDL], found, content, options)) == ()
    assert tuple(unlike(KINDS[ArtifactType.SQL_DDL], content, found, options)) == ()


@given(stated_types())
@LENIENT
async def test_schemas_come_back_whatever_stands_in_them(types) -> None:  # type: ignore[no-untyped-def]
    document, _ = schema_of_answer(SchemaAnswer(types=types))
    content = render_schema(document)
    try:
        found = await again(ArtifactType.JSON_SCHEMA, content)
    except Inexpressible:
        assert not types
        return
    kind = KINDS[ArtifactType.JSON_SCHEMA]
    assert (*unlike(kind, found, content), *unlike(kind, content, found)) == ()


@given(stated_types(), st.data())
@LENIENT
async def test_apis_come_back_whatever_stands_in_them(types, data: st.DataObject) -> None:  # type: ignore[no-untyped-def]
    names = [each.name for each in types] or [""]
    operation = st.builds(
        StatedOperation,
        evidence=st.just(""),
        method=st.sampled_from(["get", "post", "put", "patch", "delete"]),
        path=st.sampled_from(["/members", "/members/{id}", "/books/{isbn}/loans"]),
        summary=st.sampled_from(["", "Renew a loan"]),
        request=st.sampled_from(["", *names]),
        response=st.sampled_from(["", *names]),
        many=st.booleans(),
        paged=st.booleans(),
        query=st.just([]),
        errors=st.lists(st.sampled_from([403, 409, 422]), unique=True),
    )
    operations = data.draw(st.lists(operation, min_size=1, max_size=5))
    security = data.draw(st.sampled_from(["none", "bearer", "basic", "api_key"]))
    answer = ApiAnswer(title="Library", types=types, operations=operations, security=security)
    content = to_yaml(document_of(answer)[0])

    found = await again(ArtifactType.OPENAPI, content)

    assert tuple(unlike(KINDS[ArtifactType.OPENAPI], found, content)) == ()


@given(diagrams())
@LENIENT
async def test_entities_come_back_whatever_stands_in_them(diagram) -> None:  # type: ignore[no-untyped-def]
    """Names that no fact can hold are left out; the rest comes back once more as it came the first time."""
    content = render_erd(with_keys(diagram))
    try:
        found = await again(ArtifactType.MERMAID_ERD, content)
        once = await again(ArtifactType.MERMAID_ERD, found)
    except Inexpressible:
        return
    # At which end of a 1:1 the foreign key stands is left to merging.
    scores = agreement(KINDS[ArtifactType.MERMAID_ERD], once, found)
    assert (scores.types, scores.relations) in ((1.0, 1.0), (1.0, None))


async def test_what_people_write_by_hand_is_read_too() -> None:
    content = """\
erDiagram
    %% our own spelling
    LIBRARY_MEMBER {
        varchar(80) full_name "as in the passport"
        string card_code UK
    }
    LOAN { date due }
    LIBRARY_MEMBER |o--o{ LOAN : "takes out"
"""
    found = await again(ArtifactType.MERMAID_ERD, content)
    assert "LibraryMember ||--o{ Loan" in found
    assert "string card_code UK" in found


async def test_hand_written_tables_keep_their_limits() -> None:
    content = """\
create table if not exists public."loan" ( -- one for each copy
  id serial primary key,
  status text not null default 'open' check (status in ('open', 'closed')),
  fee numeric(8, 2) check (fee >= 0 and fee <= 100),
  renewals int default 0 check (renewals between 0 and 3),
  due date not null, returned date, check (returned >= due),
  member_id int not null references member on delete cascade
);
create table member (id int primary key, email varchar(120) unique);
create unique index one_open on loan (member_id, status);
"""
    found = await again(ArtifactType.SQL_DDL, content)
    for line in (
        "status varchar(50) NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'closed'))",
        "fee numeric(8, 2)",
        "CHECK (fee >= 0)",
        "CHECK (fee <= 100)",
        "CHECK (renewals >= 0)",
        "CHECK (renewals <= 3)",
        "CHECK (returned >= due)",
        "UNIQUE (member_id, status)",
        "email varchar(120)",
        "REFERENCES member (id) ON DELETE CASCADE",
    ):
        assert line in found


async def test_a_schema_with_objects_in_objects_is_stated_as_types() -> None:
    content = """{"title": "Order", "type": "object", "required": ["lines"], "properties": {
      "lines": {"type": "array", "minItems": 1, "items": {"type": "object", "properties": {
        "sku": {"type": "string", "maxLength": 20}, "count": {"type": ["integer", "null"], "minimum": 1}}}},
      "state": {"$ref": "#/definitions/state"}},
      "definitions": {"state": {"type": "string", "enum": ["open", "paid"]}}}"""
    found = await again(ArtifactType.JSON_SCHEMA, content)
    assert '"$ref": "#/$defs/Order"' in found
    assert '"$ref": "#/$defs/Line"' in found
    assert '"minItems": 1' in found
    assert '"maxLength": 20' in found
    assert '"paid"' in found


async def test_code_comes_back_to_the_letter_even_with_fences_in_it() -> None:
    content = (
        'def help_text() -> str:\n    """Say how.\n\n```python\nhelp_text()\n```\n    """\n    return "x"\n'
    )
    assert await again(ArtifactType.PYTHON_CODE, content) == content


async def test_evidence_of_the_first_answer_is_quoted() -> None:
    quotes = Quotes.of([Evidence(element="entity:Member", text=TEXT)])
    content = "erDiagram\n  Member {\n    string name\n  }\n"
    answer = KINDS[ArtifactType.MERMAID_ERD].answer_of(Subject(content, TEXT), quotes)
    assert TEXT in answer


@pytest.mark.parametrize("type_", list(ArtifactType))
@given(content=st.text(max_size=300))
@settings(max_examples=25, deadline=None)
def test_no_text_breaks_the_way_back(type_: ArtifactType, content: str) -> None:
    try:
        KINDS[type_].answer_of(Subject(content), Quotes())
    except Inexpressible as error:
        assert error.reason


@pytest.mark.parametrize("type_", list(ArtifactType))
async def test_what_is_cut_in_the_middle_breaks_no_way_back(type_: ArtifactType) -> None:
    content = await canonical(type_)
    for place in range(0, len(content), max(len(content) // 40, 1)):
        try:
            await again(type_, content[:place])
        except Inexpressible:
            continue


@pytest.mark.parametrize("type_", list(ArtifactType))
def test_a_hostile_size_is_read_or_refused_in_time(type_: ArtifactType) -> None:
    for unit in (
        "a",
        "{",
        "[",
        "CREATE TABLE t (a int);\n",
        "A --> B\n",
        "- a: &x [*x]\n",
        "class A:\n a: int\n",
    ):
        content = (unit * (200_000 // len(unit)))[:200_000]
        try:
            KINDS[type_].answer_of(Subject(content), Quotes())
        except Inexpressible:
            continue


async def test_fences_are_told_from_each_other() -> None:
    answer = KINDS[ArtifactType.PYTHON_CODE].answer_of(Subject("x = 1\n"), Quotes())
    assert fenced(answer, frozenset({"python"})) == "x = 1"
