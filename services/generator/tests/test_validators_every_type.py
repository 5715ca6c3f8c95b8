"""All types before all validators: whatever stands in a file, there is a verdict, and what is empty is never good."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hone_contracts.artifacts import ArtifactType
from hone_generator.artifacts import KINDS
from hone_generator.artifacts.kind import Subject
from hone_generator.validators.judge import read_and_check
from hone_generator.validators.scoring import combine

REQUIREMENTS = "Each member has a name and many loans. A member can borrow at most five books."
HEADS = {
    ArtifactType.MERMAID_ERD: "erDiagram\n",
    ArtifactType.MERMAID_CLASS: "classDiagram\n",
    ArtifactType.MERMAID_SEQUENCE: "sequenceDiagram\n",
    ArtifactType.MERMAID_FLOWCHART: "flowchart TD\n",
    ArtifactType.MERMAID_STATE: "stateDiagram-v2\n",
    ArtifactType.OPENAPI: "openapi: 3.1.0\n",
    ArtifactType.SQL_DDL: "CREATE TABLE a (\n",
    ArtifactType.JSON_SCHEMA: "",
    ArtifactType.USER_STORIES: "## US-1: a\n",
    ArtifactType.PYTHON_CODE: "",
}
PIECES = [
    "a ",
    "{",
    "[",
    '"',
    "A --> B\n",
    "A ||--o{ B : x\n",
    "A->>B: x\n",
    "class A {\n",
    "subgraph a\n",
    "state A {\n",
    "a:\n ",
    '{"a":',
    "/*",
    "REFERENCES a(",
    "alt x\n",
    "end\n",
    "%%",
    "if x:\n ",
    "def f(",
    "#",
    "&a ",
    "**",
    "\\",
    "- a\n",
    "'",
]


def test_every_type_is_there() -> None:
    assert set(KINDS) == set(ArtifactType) == set(HEADS)


@pytest.mark.parametrize("artifact_type", ArtifactType)
def test_long_repetitions_are_judged(artifact_type: ArtifactType) -> None:
    for piece in PIECES:
        text = HEADS[artifact_type] + piece * (4_000 // len(piece))
        results = read_and_check(KINDS[artifact_type], Subject(text, REQUIREMENTS, "class Member: ..."))
        assert {each.name for each in results} >= {"structure", "purity", "coverage"}


@pytest.mark.parametrize("artifact_type", ArtifactType)
@pytest.mark.parametrize("text", ["", "\n", "I cannot do that.", "null"])
def test_nothing_is_never_acceptable(artifact_type: ArtifactType, text: str) -> None:
    for content in (
        text,
        HEADS[artifact_type].rstrip() + "\n" + text if artifact_type.startswith("mermaid") else text,
    ):
        results = read_and_check(KINDS[artifact_type], Subject(content, REQUIREMENTS))
        assert combine(results).score < 45, (content, results)


texts = st.one_of(st.text(), st.lists(st.sampled_from([*PIECES, "\n", "member", "TODO"])).map("".join))


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(sorted(set(ArtifactType) - {ArtifactType.PYTHON_CODE})), texts, st.booleans())
def test_any_text_of_any_type_is_judged(artifact_type: ArtifactType, text: str, headed: bool) -> None:
    content = HEADS[artifact_type] + text if headed else text
    for result in read_and_check(KINDS[artifact_type], Subject(content, text, text)):
        assert 0 <= result.score <= 100
