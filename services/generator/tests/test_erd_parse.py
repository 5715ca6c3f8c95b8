import pytest
from hypothesis import given
from hypothesis import strategies as st

from hone_generator.artifacts.mermaid_erd.parse import parse

HAND_WRITTEN = """---
title: Shop
---
%% a comment
erDiagram
    direction LR
    CUSTOMER ||--o{ ORDER : places
    CUSTOMER }|..|{ DELIVERY-ADDRESS : "ships to"
    ORDER only one to one or more LINE : has
    p[Person] {
        string firstName "the first name"
        varchar(255) email UK "not null"
        int id PK, FK
        }
    "Shopping Cart":::big { int n }
    A }o--|| B
    style p fill:#f9f
    what is this?
    p2 {
        broken
        int id PRIMARY KEY
"""


def test_a_hand_written_diagram_is_read_with_its_lines_and_problems() -> None:
    read = parse(HAND_WRITTEN)
    assert [(r.from_, r.cardinality, r.to, r.label) for r in read.diagram.relationships] == [
        ("CUSTOMER", "1:N", "ORDER", "places"),
        ("CUSTOMER", "N:M", "DELIVERY-ADDRESS", "ships to"),
        ("ORDER", "1:N", "LINE", "has"),
        ("A", "N:1", "B", ""),
    ]
    person = next(entity for entity in read.diagram.entities if entity.name == "p")
    assert [(a.type, a.name, a.keys) for a in person.attributes] == [
        ("string", "firstName", ()),
        ("varchar(255)", "email", ("UK",)),
        ("int", "id", ("PK", "FK")),
    ]
    cart = next(entity for entity in read.diagram.entities if entity.name == "Shopping Cart")
    assert [attribute.name for attribute in cart.attributes] == ["n"]
    assert read.lines["p.email"] == 12
    assert read.declared == {"p", "Shopping Cart", "p2"}
    assert [(problem.line, problem.what) for problem in read.problems] == [
        (18, "'what is this?' is neither an entity nor a relationship"),
        (20, "attribute 'broken' needs a type and a name"),
        (21, "'PRIMARY' is no key marker: use PK, FK or UK"),
        (21, "'KEY' is no key marker: use PK, FK or UK"),
        (21, "the block of 'p2' is not closed"),
    ]


def test_text_that_is_no_diagram_says_how_to_begin_one() -> None:
    assert parse("hello").problems[0].what == "there is no erDiagram line: begin the diagram with erDiagram"


@given(st.text())
def test_nothing_makes_the_reader_fail(text: str) -> None:
    parse(text)
    parse(f"erDiagram\n{text}\n A {{ {text}\n")


@pytest.mark.parametrize("unit", [" ", "|", '"', "{", "a ", "[", "||--o{ ", "int ", "\n", "a{\n"])
def test_a_hostile_megabyte_is_read_in_a_moment(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    parse(f"erDiagram\n A{text}x\n")
