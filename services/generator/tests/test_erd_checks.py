import pytest
from erd_strategies import diagrams
from hypothesis import given, settings
from hypothesis import strategies as st

from hone_contracts.erd_facts import loads, normalise
from hone_generator.artifacts.kind import Link
from hone_generator.artifacts.mermaid_erd.checks import MOST_ENTITIES, ParsedErd
from hone_generator.artifacts.mermaid_erd.ir import Attribute, Diagram, Entity, Relationship
from hone_generator.artifacts.mermaid_erd.merge import Answer, merge
from hone_generator.artifacts.mermaid_erd.render import render
from hone_generator.validators.base import MAX_MESSAGES, ValidatorResult

LIBRARY = merge(
    [
        Answer(
            0,
            normalise("Each member has a name, an e-mail and many loans."),
            loads('[{"a":"member","l":{"name":"string","e-mail":"string"}},{"r":["member","1:N","loans"]}]'),
        )
    ]
)


def verdicts(parsed: ParsedErd) -> list[ValidatorResult]:
    return [parsed.structure(), parsed.references(), parsed.style()]


def test_a_sound_diagram_has_no_flaws_as_data_and_as_text() -> None:
    for parsed in (ParsedErd(LIBRARY), ParsedErd.of_text(render(LIBRARY))):
        assert [(each.score, each.passed, each.messages) for each in verdicts(parsed)] == [
            (100, True, ())
        ] * 3


@pytest.mark.parametrize("text", ["", "erDiagram", "flowchart TD\n A --> B", "erDiagram\n%% nothing"])
def test_an_empty_diagram_fails_outright(text: str) -> None:
    verdict = ParsedErd.of_text(text).structure()
    assert (verdict.score, verdict.passed) == (0, False)
    assert verdict.messages


FLAWED = """erDiagram
    MEMBER {
        int id PRIMARY
        whatsit email
        string email
    }
    LOAN
    SHELF {
        int id PK
    }
    MEMBER ||--o{ LOAM : has
    MEMBERS ||--o{ LOAN : has
    FINE {
        int id PK
        int member_id FK
        int shelf_row_id FK
        int fine_id FK
        int other_id FK
    }
    FINE }o--|| MEMBER : for
    damages ||--|| FINE : "leads to"
    damages {
        int id PK
    }
"""


@pytest.mark.parametrize(
    ("validator", "expected"),
    [
        ("structure", "line 3: 'PRIMARY' is no key marker: use PK, FK or UK"),
        ("structure", "line 2: entity MEMBER has no primary key: mark an attribute PK or add an id"),
        ("structure", "line 7: entity LOAN has no attributes: add at least its key"),
        ("structure", "line 8: entity SHELF has no relationship: relate it or leave it out"),
        ("references", "line 4: attribute MEMBER.email is given more than once: keep one"),
        (
            "references",
            "line 11: relationship MEMBER 1:N LOAM names entity 'LOAM', which is not declared: write LOAN",
        ),
        ("references", "line 12: entities MEMBER and MEMBERS are the same thing: keep one"),
        (
            "references",
            "line 16: FINE.shelf_row_id is a foreign key to SHELF, but no relationship connects the two: add "
            "SHELF 1:N FINE",
        ),
        (
            "style",
            "line 4: attribute MEMBER.email has the unusual type whatsit: use one of string, text, int, float, "
            "decimal, boolean, date, datetime, uuid, enum, json, binary",
        ),
        ("style", "line 21: entity damages is a plural: name it after one, as in Damage"),
        ("style", "line 21: entity damages is not written as the others are (UPPER_CASE): rename it"),
    ],
)
def test_each_flaw_is_named_with_its_line_and_its_cure(validator: str, expected: str) -> None:
    verdict: ValidatorResult = getattr(ParsedErd.of_text(FLAWED), validator)()
    assert expected in verdict.messages
    assert verdict.passed == (validator == "style")


def test_a_foreign_key_that_has_its_relationship_or_names_nobody_is_none_of_the_flaws() -> None:
    said = " ".join(ParsedErd.of_text(FLAWED).references().messages)
    assert not any(name in said for name in ("member_id", "fine_id", "other_id"))


def test_a_dangling_end_is_a_flaw_of_the_data_too() -> None:
    diagram = Diagram(
        entities=(Entity(name="A", attributes=(Attribute(name="id", type="int", keys=("PK",)),)),),
        relationships=(Relationship(from_="A", to="B", cardinality="1:N"),),
    )
    verdict = ParsedErd(diagram).references()
    assert not verdict.passed
    assert "names entity 'B', which is not declared: add the entity B" in verdict.messages[0]


def test_a_text_may_leave_a_declaration_out_unless_it_looks_misspelled() -> None:
    text = "erDiagram\n MEMBER {\n  int id PK\n }\n MEMBER ||--o{ BOOK : has\n"
    loose = ParsedErd.of_text(text).references()
    assert loose.passed
    assert "which is not declared: add the entity BOOK" in loose.messages[0]
    assert not ParsedErd.of_text(text.replace("BOOK", "MEMBRE")).references().passed


def test_a_sketch_of_relationships_alone_has_missing_keys_but_no_dangling_ends() -> None:
    parsed = ParsedErd.of_text("erDiagram\n MEMBER ||--o{ LOAN : has\n")
    assert parsed.references().messages == ()
    assert parsed.structure().passed
    assert all("has no attributes" in message for message in parsed.structure().messages)


def test_a_diagram_that_nobody_can_look_at_shall_be_split() -> None:
    names = [f"Thing{number}" for number in range(MOST_ENTITIES + 1)]
    verdict = ParsedErd(Diagram(entities=tuple(Entity(name=name) for name in names))).style()
    assert not verdict.passed
    assert "split it by subject" in verdict.messages[0]


def test_validators_that_know_no_diagrams_see_names_with_their_lines_and_what_is_connected() -> None:
    outline = ParsedErd.of_text("erDiagram\n A {\n  int id PK\n }\n A }o--|| B : uses").outline()
    assert [(name.text, name.role, name.line) for name in outline.names] == [
        ("A", "type", 2),
        ("id", "member", 3),
        ("B", "type", 5),
        ("uses", "label", None),
    ]
    assert outline.links == (Link("A", "B", True, False),)
    derived = [name.text for name in ParsedErd(LIBRARY).outline().names if name.derived]
    assert derived == ["id", "id", "member_id"]


@settings(deadline=None)
@given(diagrams(), st.text())
def test_any_diagram_and_any_text_is_judged(diagram: Diagram, text: str) -> None:
    for parsed in (ParsedErd(diagram), ParsedErd.of_text(render(diagram)), ParsedErd.of_text(text)):
        assert len(parsed.outline().names) >= len(parsed.diagram.entities)
        for verdict in verdicts(parsed):
            assert 0 <= verdict.score <= 100
            assert len(verdict.messages) <= MAX_MESSAGES
