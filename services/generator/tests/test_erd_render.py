import pytest
from erd_strategies import HOSTILE, diagrams, names
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from hone_generator.artifacts.mermaid_erd.ir import Attribute, Diagram, Entity, Relationship, evidence_of
from hone_generator.artifacts.mermaid_erd.parse import parse
from hone_generator.artifacts.mermaid_erd.render import MAX_LABEL_CHARS, identifiers, render, safe_text, word

LIBRARY = Diagram(
    entities=(
        Entity(
            name="Member",
            attributes=(
                Attribute(name="id", type="int", keys=("PK",)),
                Attribute(name="email", keys=("UK",)),
            ),
        ),
        Entity(name="Library Card", attributes=(Attribute(name="member_id", type="int", keys=("UK", "FK")),)),
        Entity(name="Staff"),
    ),
    relationships=(
        Relationship(from_="Member", to="Library Card", cardinality="1:1", label="carries"),
        Relationship(from_="Staff", to="Member", cardinality="N:M"),
    ),
)


def test_a_diagram_is_drawn_as_mermaid_writes_it() -> None:
    assert render(LIBRARY).splitlines() == [
        "erDiagram",
        "    Member {",
        "        int id PK",
        "        string email UK",
        "    }",
        '    "Library Card" {',
        "        int member_id FK, UK",
        "    }",
        "    Staff",
        '    Member ||--|| "Library Card" : "carries"',
        '    Staff }o--o{ Member : ""',
    ]


def test_an_empty_diagram_is_still_a_diagram() -> None:
    assert render(Diagram()) == "erDiagram\n"


@given(diagrams())
def test_any_diagram_reads_back_with_the_same_structure(diagram: Diagram) -> None:
    read = parse(render(diagram))
    assert read.problems == ()
    ends = [end for relation in diagram.relationships for end in (relation.from_, relation.to)]
    written = {
        name: text.strip('"')
        for name, text in identifiers([*(entity.name for entity in diagram.entities), *ends]).items()
    }
    found = {entity.name: entity for entity in read.diagram.entities}
    assert set(found) == set(written.values())
    for entity in diagram.entities:
        same = found[written[entity.name]]
        assert [set(attribute.keys) for attribute in same.attributes] == [
            set(a.keys) for a in entity.attributes
        ]
        assert [attribute.type for attribute in same.attributes] == [
            word(attribute.type, "string") for attribute in entity.attributes
        ]
        assert len({attribute.name for attribute in same.attributes}) == len(entity.attributes)
    assert [(r.from_, r.cardinality, r.to, r.label) for r in read.diagram.relationships] == [
        (written[r.from_], r.cardinality, written[r.to], safe_text(r.label)) for r in diagram.relationships
    ]


@given(st.lists(names))
@example(HOSTILE)
@example(["unnamed", "", "unnamed (2)", " "])
@example(["%", "\uff05", "a%", "A%"])
def test_different_names_never_share_an_identifier(found: list[str]) -> None:
    written = identifiers(found)
    assert len(set(written.values())) == len(written) == len(set(found))
    assert all(len(text) <= MAX_LABEL_CHARS + 10 for text in written.values())


@given(st.text(alphabet=st.characters()))
def test_no_text_leaves_its_quotes(text: str) -> None:
    safe = safe_text(text)
    assert not set(safe) & set('"%\\~#`<>\n\r\x00\x08\x0b\u202e\u2028')
    assert len(safe.encode().splitlines()) <= 1


def test_a_line_that_mermaid_takes_for_a_direction_is_broken_up() -> None:
    assert safe_text("the direction  LR of it") == "the direction_LR of it"


def test_the_same_diagram_is_drawn_the_same_way() -> None:
    assert render(Diagram.model_validate(LIBRARY.to_json())) == render(LIBRARY)


@pytest.mark.parametrize(
    "document",
    [
        {"entities": [{"name": 1}]},
        {"entities": [{"name": "A", "attributes": [{"name": "x", "keys": ["PRIMARY"]}]}]},
        {"relationships": [{"from": "A", "to": "B", "cardinality": "1:many"}]},
        {"entities": {}, "tables": []},
    ],
)
def test_json_that_is_no_diagram_is_refused(document: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Diagram.model_validate(document)


def test_evidence_names_each_element_with_its_passages() -> None:
    diagram = Diagram(
        entities=(
            Entity(name="Member", evidence=(0, 1), attributes=(Attribute(name="email", evidence=(1,)),)),
        ),
        relationships=(Relationship(from_="Member", to="Loan", cardinality="1:N", evidence=(0, 7)),),
    )
    assert [(found.element, found.text) for found in evidence_of(diagram, ["one", "two"])] == [
        ("entity:Member", "one"),
        ("entity:Member", "two"),
        ("attribute:Member.email", "two"),
        ("relationship:Member-1:N-Loan", "one"),
    ]
