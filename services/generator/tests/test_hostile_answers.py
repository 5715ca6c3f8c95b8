"""What a model answers: whatever it is, it is made into a draft and judged within its time."""

import time

import pytest
from asking import made
from hypothesis import given
from hypothesis import strategies as st

from hone_contracts.artifacts import ArtifactType
from hone_generator.artifacts import KINDS
from hone_generator.artifacts.kind import Subject, Tools
from hone_generator.engine.errors import AnswerTooLong, AnswerUnusable
from hone_generator.engine.storable import storable_draft
from hone_generator.mermaid import MermaidParser
from hone_generator.text.naming import free_number
from hone_generator.validators.judge import read_and_check

_CHARS = 100_000
_SOON_S = 10  # on a busy machine; each of these took minutes
_ONE_NAME_FOR_ALL = {
    ArtifactType.MERMAID_ERD: "erDiagram\n" + "A {\n" * (_CHARS // 4),
    ArtifactType.MERMAID_CLASS: "classDiagram\nclass A {\n" + "+a\n" * (_CHARS // 3) + "}\n",
    ArtifactType.MERMAID_FLOWCHART: "flowchart TD\n" + "".join(f"Aa{'_' * n} --> B\n" for n in range(300)),
    ArtifactType.SQL_DDL: "CREATE TABLE a (\n" + "a INT,\n" * (_CHARS // 7) + ");",
    ArtifactType.PYTHON_CODE: "class A:\n" + "    a: int\n" * (_CHARS // 11),
}
_MARKS = "a" + "\u0301\u0316" * (_CHARS // 2)


async def _judged(type_: ArtifactType, answer: str) -> float:
    kind, begun = KINDS[type_], time.monotonic()
    draft = await made(kind, "Each member has many loans.", answer)
    try:
        draft = storable_draft("m", draft)
    except (AnswerTooLong, AnswerUnusable):
        return time.monotonic() - begun
    read_and_check(kind, Subject(draft.content, "Each member has many loans.", draft=draft))
    return time.monotonic() - begun


@pytest.mark.parametrize("type_", _ONE_NAME_FOR_ALL)
async def test_thousands_of_things_of_one_name_are_named_soon(type_: ArtifactType) -> None:
    assert await _judged(type_, _ONE_NAME_FOR_ALL[type_]) < _SOON_S


@pytest.mark.parametrize("type_", ArtifactType)
async def test_marks_piled_on_one_character_take_no_longer_than_their_length_demands(
    type_: ArtifactType,
) -> None:
    assert await _judged(type_, _MARKS) < _SOON_S
    assert await _judged(type_, f'{{"entities": [{{"name": "{_MARKS}"}}]}}') < _SOON_S


@pytest.mark.parametrize(
    "answer", ["~" * _CHARS, "```" + "a" * _CHARS, "~~~ " + "a`" * (_CHARS // 2), "```" + " " * _CHARS]
)
async def test_a_fence_that_never_opens_takes_no_longer_than_its_length_demands(answer: str) -> None:
    for type_ in (ArtifactType.MERMAID_CLASS, ArtifactType.SQL_DDL, ArtifactType.PYTHON_CODE):
        assert await _judged(type_, answer) < _SOON_S


async def test_thousands_of_nested_blocks_do_not_fill_the_memory_with_margins() -> None:
    answer = "sequenceDiagram\n" + "par\n" * (_CHARS // 4)
    draft = await made(KINDS[ArtifactType.MERMAID_SEQUENCE], "Each member has many loans.", answer)
    assert len(draft.content) < 100 * len(answer)  # gigabytes otherwise


async def test_thousands_of_groups_are_each_drawn_with_their_own_nodes() -> None:
    answer = "flowchart TD\n" + "".join(f"subgraph g{n}\n a{n}\nend\n" for n in range(4000))
    begun = time.monotonic()
    draft = await made(KINDS[ArtifactType.MERMAID_FLOWCHART], "Each member has many loans.", answer)
    assert draft.content.count("subgraph") == draft.content.count("        a") == 4000
    assert time.monotonic() - begun < _SOON_S


async def test_a_desert_of_blank_lines_is_not_given_to_the_grammar() -> None:
    content = "erDiagram\n" + "\n" * _CHARS + "A {\n  string a PK\n}\n"
    begun = time.monotonic()
    syntax = await KINDS[ArtifactType.MERMAID_ERD].syntax(Subject(content), Tools(MermaidParser()))
    assert not syntax.passed
    assert syntax.messages[0].startswith("line 2: ")
    assert time.monotonic() - begun < 4  # Mermaid's own limit is five


@given(st.integers(0, 5000))
def test_the_free_number_follows_those_that_are_taken(taken: int) -> None:
    asked: list[int] = []

    def is_taken(number: int) -> bool:
        asked.append(number)
        return number < taken + 2

    assert free_number(is_taken) == taken + 2
    assert len(asked) < 32


@given(st.sets(st.integers(2, 50)))
def test_a_free_number_is_free(taken: set[int]) -> None:
    number = free_number(taken.__contains__)
    assert number >= 2
    assert number not in taken
