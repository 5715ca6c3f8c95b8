import pytest
from erd_strategies import diagrams
from hypothesis import given
from hypothesis import strategies as st

from hone_contracts.artifacts import ValidatorResult
from hone_contracts.erd_facts import loads, normalise
from hone_generator.artifacts.mermaid_erd.ir import Attribute, Diagram, Entity, Relationship
from hone_generator.artifacts.mermaid_erd.merge import Answer, merge
from hone_generator.artifacts.mermaid_erd.render import render
from hone_generator.validators.base import MAX_MESSAGES, result
from hone_generator.validators.coverage import check_coverage
from hone_generator.validators.scoring import RULES, combine
from hone_generator.validators.structure import check_structure, check_structure_of_text

REQUIREMENTS = """\
# Library

We began in 1998 and love reading.
Each member has a name, an e-mail and many loans.

Members may not bring dogs.
"""
LIBRARY = merge(
    [
        Answer(
            0,
            normalise("Each member has a name, an e-mail and many loans."),
            loads('[{"a":"member","l":{"name":"string","e-mail":"string"}},{"r":["member","1:N","loans"]}]'),
        )
    ]
)


def test_a_sound_diagram_has_no_flaws_as_data_and_as_text() -> None:
    for verdict in (check_structure(LIBRARY), check_structure_of_text(render(LIBRARY))):
        assert (verdict.score, verdict.passed, verdict.messages) == (100, True, ())


@pytest.mark.parametrize("text", ["", "erDiagram", "flowchart TD\n A --> B", "erDiagram\n%% nothing"])
def test_an_empty_diagram_fails_outright(text: str) -> None:
    verdict = check_structure_of_text(text)
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
"""


@pytest.mark.parametrize(
    "expected",
    [
        "line 3: 'PRIMARY' is no key marker: use PK, FK or UK",
        "line 2: entity MEMBER has no primary key: mark an attribute PK or add an id",
        "line 4: attribute MEMBER.email is given more than once: keep one",
        "line 4: attribute MEMBER.email has the unusual type whatsit: use one of string, text, int, float, decimal, "
        "boolean, date, datetime, uuid, enum, json, binary",
        "line 7: entity LOAN has no attributes: add at least its key",
        "line 8: entity SHELF has no relationship: relate it or leave it out",
        "line 11: relationship MEMBER 1:N LOAM ends at LOAM, which is not declared: add the entity LOAM or correct "
        "the name",
        "line 12: entities MEMBER and MEMBERS are the same thing: keep one",
    ],
)
def test_each_flaw_is_named_with_its_line_and_its_cure(expected: str) -> None:
    verdict = check_structure_of_text(FLAWED)
    assert expected in verdict.messages
    assert not verdict.passed
    assert verdict.score < 50


def test_a_dangling_end_is_a_flaw_of_the_data_too() -> None:
    diagram = Diagram(
        entities=(Entity(name="A", attributes=(Attribute(name="id", type="int", keys=("PK",)),)),),
        relationships=(Relationship(from_="A", to="B", cardinality="1:N"),),
    )
    verdict = check_structure(diagram)
    assert not verdict.passed
    assert "ends at B, which is not declared" in verdict.messages[0]


def test_a_sketch_of_relationships_alone_has_missing_keys_but_no_dangling_ends() -> None:
    verdict = check_structure_of_text("erDiagram\n MEMBER ||--o{ LOAN : has\n")
    assert verdict.passed
    assert all("has no attributes" in message for message in verdict.messages)


def test_a_diagram_that_answers_every_term_is_fully_covered() -> None:
    verdict = check_coverage(LIBRARY, REQUIREMENTS)
    assert (verdict.score, verdict.passed, verdict.messages) == (100, True, ())


def test_terms_that_are_missing_are_listed_with_their_line_the_most_frequent_first() -> None:
    verdict = check_coverage(
        LIBRARY, REQUIREMENTS + "\nEach loan has a due date and a fine. A fine has a payer.\n"
    )
    assert verdict.messages == (
        'line 8: "fine" is not in the diagram (Each loan has a due date and a fine.): add it if it is data',
        'line 8: "due" is not in the diagram (Each loan has a due date and a fine.): add it if it is data',
        'line 8: "date" is not in the diagram (Each loan has a due date and a fine.): add it if it is data',
        'line 8: "payer" is not in the diagram (A fine has a payer.): add it if it is data',
    )
    assert 40 <= verdict.score < 70


def test_an_empty_diagram_covers_nothing_and_prose_costs_nothing() -> None:
    empty = check_coverage(Diagram(), REQUIREMENTS)
    assert (empty.score, empty.passed) == (0, False)
    prose = "We are proud of our history.\n\nCall us for help! Opening takes weeks."
    assert check_coverage(LIBRARY, REQUIREMENTS + prose).score == 100


def test_requirements_that_state_nothing_cover_nothing_and_say_what_to_write() -> None:
    verdict = check_coverage(LIBRARY, "Hello! We are proud of our history.")
    assert (verdict.score, verdict.passed) == (0, False)
    assert "each member has" in verdict.messages[0]


def test_a_colon_with_a_list_behind_it_speaks_of_data() -> None:
    verdict = check_coverage(LIBRARY, "- Customer: name, email\n- Loan: fee, deadline")
    assert any("deadline" in message for message in verdict.messages)


def test_items_under_a_sentence_about_data_count() -> None:
    text = "A member has:\n- a nickname\n- a birthday\n"
    assert [message.split('"')[1] for message in check_coverage(LIBRARY, text).messages] == [
        "nickname",
        "birthday",
    ]


@given(diagrams(), st.text())
def test_any_diagram_is_judged(diagram: Diagram, text: str) -> None:
    for verdict in (
        check_structure(diagram),
        check_structure_of_text(render(diagram)),
        check_structure_of_text(text),
        check_coverage(diagram, text),
    ):
        assert 0 <= verdict.score <= 100
        assert len(verdict.messages) <= MAX_MESSAGES


def verdict(name: str, score: int, passed: bool = True, *messages: str) -> ValidatorResult:
    return result(name, score, messages, passed=passed)


def test_the_score_weighs_the_validators_and_says_how() -> None:
    combined = combine([verdict("syntax", 100), verdict("structure", 50), verdict("coverage", 100)])
    assert combined.score == 80
    assert combined.reasons == ("structure 50 of 100, weight 40%", "coverage 100 of 100, weight 60%")


def test_a_failed_gate_decides_alone() -> None:
    combined = combine([verdict("syntax", 0, False, "line 3: oops"), verdict("structure", 100)])
    assert (combined.score, combined.reasons) == (0, ("syntax failed: line 3: oops",))


def test_without_requirements_structure_decides() -> None:
    assert combine([verdict("syntax", 100), verdict("structure", 91)]).score == 91


def test_a_validator_that_does_not_pass_is_named_among_the_reasons() -> None:
    combined = combine([verdict("structure", 80, False, "a dangling end"), verdict("coverage", 100)])
    assert combined.score == 92
    assert combined.reasons[-1] == "structure did not pass: a dangling end"


def test_nothing_that_ran_is_no_score() -> None:
    assert combine([]).score == 0


def test_every_rule_of_the_table_has_its_reason() -> None:
    assert sum(rule.weight for rule in RULES.values()) == pytest.approx(1)
    assert all(rule.reason for rule in RULES.values())
