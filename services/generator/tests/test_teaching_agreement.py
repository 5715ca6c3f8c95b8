"""How near an artifact is to the one that is right."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hone_contracts.artifacts import ArtifactType
from hone_generator.artifacts import KINDS
from hone_generator.teaching.agreement import agreement, distance, text_likeness

ERD = KINDS[ArtifactType.MERMAID_ERD]
SQL = KINDS[ArtifactType.SQL_DDL]
RIGHT = "erDiagram\n  Member ||--o{ Loan : has\n  Member {\n    string name\n  }\n"


def test_the_same_diagram_written_otherwise_agrees() -> None:
    other = "erDiagram\n%% mine\nmembers {\n  text NAME\n}\nloans }o--|| members : of\n"
    found = agreement(ERD, other, RIGHT)
    assert (found.types, found.members, found.relations, found.overall) == (1.0, 1.0, 1.0, 1.0)


def test_a_relation_with_another_multiplicity_is_another() -> None:
    found = agreement(ERD, RIGHT.replace("||--o{", "}o--o{"), RIGHT)
    assert (found.types, found.relations) == (1.0, 0.0)


def test_members_count_with_their_type() -> None:
    other = "erDiagram\n  Member ||--o{ Loan : has\n  Loan {\n    string name\n  }\n"
    assert agreement(ERD, other, RIGHT).members == 0.0


def test_the_share_of_relations_is_their_f1() -> None:
    two = RIGHT + "  Loan }o--|| Copy : of\n"
    assert agreement(ERD, RIGHT, two).relations == pytest.approx(2 / 3)


def test_foreign_keys_are_relations_of_tables() -> None:
    tables = (
        "CREATE TABLE member (id integer PRIMARY KEY, name text);\n"
        "CREATE TABLE loan (id integer PRIMARY KEY, member_id integer NOT NULL REFERENCES member (id));"
    )
    lost = tables.replace(" REFERENCES member (id)", "")
    assert agreement(SQL, tables, tables).relations == 1.0
    assert agreement(SQL, lost, tables).relations == 0.0


def test_stories_have_actions_and_no_relations() -> None:
    kind = KINDS[ArtifactType.USER_STORIES]
    text = "## Renew a loan\n\nAs a member, I want to renew a loan, so that I can keep the book.\n"
    found = agreement(kind, text, text)
    assert found.relations is None
    assert found.overall == 1.0


@pytest.mark.parametrize("type_", list(ArtifactType))
@given(one=st.text(max_size=200), other=st.text(max_size=200))
@settings(max_examples=20, deadline=None)
def test_distances_lie_between_nothing_and_one(type_: ArtifactType, one: str, other: str) -> None:
    found = distance(KINDS[type_], one, other)
    assert 0.0 <= found <= 1.0
    assert distance(KINDS[type_], one, one) == 0.0


def test_more_changes_are_further_away() -> None:
    nearer = RIGHT.replace("string name", "text name")
    further = RIGHT.replace("||--o{", "}o--o{")
    assert 0 < distance(ERD, nearer, RIGHT) < distance(ERD, further, RIGHT) < 1
    assert distance(ERD, "erDiagram\n  Ship {\n    int tons\n  }\n", RIGHT) > 0.7


def test_long_texts_are_compared_word_by_word() -> None:
    words = "a b c " * 40_000
    assert text_likeness(words, words) == 1.0
    assert text_likeness(words, words[: len(words) // 2]) == pytest.approx(2 / 3, abs=0.01)
    assert text_likeness("a b", "c d") == 0.0
