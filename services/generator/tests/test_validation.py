from collections.abc import AsyncIterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hone_chassis.errors import Permanent
from hone_contracts.artifacts import ArtifactType
from hone_contracts.validation import ValidateArtifact
from hone_generator.artifacts import KINDS
from hone_generator.artifacts.detect import type_of
from hone_generator.artifacts.kind import Tools
from hone_generator.mermaid import MermaidParser
from hone_generator.validation import ValidationDesk

ERD = (
    "erDiagram\n    MEMBER {\n        int id PK\n    }\n"
    "    MEMBER ||--o{ LOAN : has\n    LOAN {\n        int id PK\n    }\n"
)
SQL = "-- Members.\nCREATE TABLE member (id INTEGER PRIMARY KEY);\n"
ALONE = {"syntax", "structure", "references", "purity", "style"}
EIGHT = ALONE | {"coverage", "grounding", "consistency"}


@pytest.fixture
async def desk() -> AsyncIterator[ValidationDesk]:
    tools = Tools(MermaidParser())
    yield ValidationDesk(KINDS, tools)
    await tools.mermaid.aclose()


async def test_all_eight_judge_where_there_are_requirements_and_a_context(desk: ValidationDesk) -> None:
    question = ValidateArtifact(
        content=ERD, requirements="Each member has many loans.", context_text="class Member: ..."
    )
    verdict = await desk.check(question)
    assert verdict.type is ArtifactType.MERMAID_ERD
    assert {each.name for each in verdict.validators} == EIGHT
    assert verdict.accepted
    assert any("coverage 100 of 100" in reason for reason in verdict.reasons)


async def test_what_needs_requirements_or_a_context_is_left_out_without(desk: ValidationDesk) -> None:
    verdict = await desk.check(ValidateArtifact(content=ERD))
    assert {each.name for each in verdict.validators} == ALONE


async def test_the_threshold_and_the_gates_decide(desk: ValidationDesk) -> None:
    loose = ERD.replace("LOAN :", "LOAM :")
    requirements = "Each member has many loans and a nickname."
    good = await desk.check(ValidateArtifact(content=ERD, requirements=requirements, threshold=60))
    strict = await desk.check(ValidateArtifact(content=ERD, requirements=requirements, threshold=100))
    gate = await desk.check(ValidateArtifact(content=loose, requirements=requirements, threshold=0))
    assert (good.accepted, strict.accepted, gate.accepted) == (True, False, False)
    assert good.score == strict.score > 60 > gate.score
    assert gate.reasons[0].startswith("references failed")


async def test_options_go_to_the_type_and_wrong_ones_are_refused(desk: ValidationDesk) -> None:
    assert (await desk.check(ValidateArtifact(content=SQL, options={"dialect": "sqlite"}))).type == "sql_ddl"
    with pytest.raises(Permanent) as refused:
        await desk.check(ValidateArtifact(content=SQL, options={"dialect": "dbase"}))
    assert refused.value.body().code == "bad_option"


@pytest.mark.parametrize(
    ("content", "option", "told"),
    [
        (SQL, "dialekt", "takes dialect (postgresql, sqlite, mysql)"),
        (ERD, "dialect", "which takes none"),
    ],
)
async def test_an_option_that_the_type_has_not_is_refused_with_those_there_are(
    desk: ValidationDesk, content: str, option: str, told: str
) -> None:
    with pytest.raises(Permanent) as refused:
        await desk.check(ValidateArtifact(content=content, options={option: "sqlite"}))
    assert refused.value.body().code == "bad_option"
    assert f"'{option}' is no option" in refused.value.body().detail
    assert told in refused.value.body().detail


async def test_sql_of_another_dialect_is_told_so(desk: ValidationDesk) -> None:
    verdict = await desk.check(
        ValidateArtifact(content="CREATE TABLE `member` (`id` INT PRIMARY KEY AUTO_INCREMENT);")
    )
    assert [each.messages[0] for each in verdict.validators if each.name == "syntax"] == [
        'line 1: syntax error at or near "`": this is mysql, and postgresql is what the option dialect asks for'
    ]


async def test_a_text_that_tells_no_type_is_refused_with_the_types_there_are(desk: ValidationDesk) -> None:
    with pytest.raises(Permanent) as refused:
        await desk.check(ValidateArtifact(content="Roses are red"))
    assert "mermaid_erd" in refused.value.body().detail


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (ERD, "mermaid_erd"),
        ("---\ntitle: x\n---\n%% y\nclassDiagram\n  class A", "mermaid_class"),
        ("sequenceDiagram\n  A->>B: x", "mermaid_sequence"),
        ("graph TD; A-->B", "mermaid_flowchart"),
        ("flowchart LR\n A-->B", "mermaid_flowchart"),
        ("stateDiagram-v2\n [*] --> A", "mermaid_state"),
        (SQL, "sql_ddl"),
        ("create temp table if not exists x (y int)", "sql_ddl"),
        ("openapi: 3.1.0\ninfo: {}", "openapi"),
        ('{"openapi": "3.1.0"}', "openapi"),
        ('{"type": "object"}', "json_schema"),
        ('{"broken": ', "json_schema"),
        ("# Stories\n\n## US-1: Borrow\n", "user_stories"),
        ("As a member, I want to borrow", "user_stories"),
        ('"""Doc."""\nfrom dataclasses import dataclass\n', "python_code"),
        ("def f() -> int:\n    return 1\n", "python_code"),
        ("Roses are red", None),
        ("", None),
        ("[1, 2]", None),
    ],
)
def test_a_text_tells_its_type(content: str, expected: str | None) -> None:
    assert type_of(content) == expected


def test_the_suffix_helps_where_the_text_does_not() -> None:
    assert type_of("x = 1", ".py") is ArtifactType.PYTHON_CODE
    assert type_of("SELECT 1", ".SQL") is ArtifactType.SQL_DDL
    assert type_of(ERD, ".md") is ArtifactType.MERMAID_ERD


@settings(deadline=None)
@given(st.text(), st.text(max_size=4))
def test_any_text_is_one_of_them_or_none(content: str, suffix: str) -> None:
    assert type_of(content, suffix) in {None, *ArtifactType}


@pytest.mark.parametrize(
    "piece",
    [" ", "\n", "\t", "create ", "create a ", "openapi", "---\n", "%%\n", "from a", "as a", "{", "# ", "**"],
)
def test_long_repetitions_are_looked_at_in_a_moment(piece: str) -> None:
    type_of(piece * (200_000 // len(piece)))
