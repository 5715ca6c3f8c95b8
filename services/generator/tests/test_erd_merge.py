import random

import pytest
from erd_strategies import facts
from hypothesis import given
from hypothesis import strategies as st

from hone_contracts.erd_facts import Facts, loads, normalise
from hone_generator.artifacts.mermaid_erd.attribute_types import known_type, settled_type
from hone_generator.artifacts.mermaid_erd.checks import ParsedErd
from hone_generator.artifacts.mermaid_erd.ir import Diagram
from hone_generator.artifacts.mermaid_erd.keys import with_keys
from hone_generator.artifacts.mermaid_erd.labels import label_between
from hone_generator.artifacts.mermaid_erd.merge import Answer, merge
from hone_generator.text.naming import attribute_name, entity_name, identity, singular


def merged(*said: str) -> Diagram:
    """A diagram of answers, one for each passage "text | facts"."""
    pairs = [line.rpartition("|") for line in said]
    return merge(
        Answer(index, normalise(text), loads(written)) for index, (text, _, written) in enumerate(pairs)
    )


def drawn(diagram: Diagram) -> dict[str, list[str]]:
    return {
        entity.name: [" ".join([a.type, a.name, *a.keys]) for a in entity.attributes]
        for entity in diagram.entities
    }


def relations(diagram: Diagram) -> list[tuple[str, str, str]]:
    return [(r.from_, r.cardinality, r.to) for r in diagram.relationships]


def test_forms_of_a_name_are_one_entity_with_all_its_evidence() -> None:
    diagram = merged(
        '|[{"e":["library cards"]}]',
        '|[{"a":"library-card","l":{"e-mail":"string"}}]',
        '|[{"a":"library card","l":{"email":"string"}},{"e":["member"]}]',
    )
    card = diagram.entities[0]
    assert card.name == "LibraryCard"
    assert card.evidence == (0, 1, 2)
    assert [(a.name, a.evidence) for a in card.attributes if not a.derived] == [("e_mail", (1, 2))]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (['["member","1:N","loans"]'], ("Member", "1:N", "Loan")),
        (['["loan","N:1","member"]'], ("Member", "1:N", "Loan")),
        (['["member","1:N","loans"]', '["loan","N:1","member"]'], ("Member", "1:N", "Loan")),
        (['["member","1:N","books"]', '["book","1:N","members"]'], ("Member", "N:M", "Book")),
        (['["member","1:1","card"]'], ("Member", "1:1", "Card")),
        (['["member","1:1","card"]', '["cards","1:1","members"]'], ("Member", "1:1", "Card")),
        (['["member","1:1","card"]', '["member","1:N","cards"]'], ("Member", "1:N", "Card")),
        (['["member","N:M","card"]', '["card","1:1","member"]'], ("Member", "N:M", "Card")),
        (
            ['["employee","1:N","employees"]', '["employee","N:1","employee"]'],
            ("Employee", "1:N", "Employee"),
        ),
    ],
)
def test_clauses_about_one_pair_become_one_relationship(
    said: list[str], expected: tuple[str, str, str]
) -> None:
    diagram = merged(*(f'|[{{"r":{clause}}}]' for clause in said))
    assert relations(diagram) == [expected]
    assert diagram.relationships[0].evidence == tuple(range(len(said)))
    assert {entity.name for entity in diagram.entities} == {expected[0], expected[2]}


def test_keys_that_nobody_states_are_added_and_marked() -> None:
    diagram = merged(
        '|[{"k":"book","l":{"isbn":"PK"}},{"a":"book","l":{"title":"string"}}]',
        '|[{"r":["book","1:N","copies"]}]',
        '|[{"r":["copy","1:1","barcode tag"]}]',
        '|[{"k":"barcode tag","l":{"code":"UK"}}]',
    )
    assert drawn(diagram) == {
        "Book": ["string isbn PK", "string title"],
        "Copy": ["int id PK", "string book_isbn FK"],
        "BarcodeTag": ["int id PK", "string code UK", "int copy_id FK UK"],
    }
    derived = {f"{e.name}.{a.name}": a.evidence for e in diagram.entities for a in e.attributes if a.derived}
    assert derived == {"Copy.id": (), "Copy.book_isbn": (1,), "BarcodeTag.id": (), "BarcodeTag.copy_id": (2,)}


def test_a_stated_reference_is_marked_instead_of_doubled() -> None:
    diagram = merged('|[{"a":"loan","l":{"loan id":"int","member id":"int"}},{"r":["member","1:N","loans"]}]')
    assert drawn(diagram)["Loan"] == ["int loan_id PK", "int member_id FK"]


def test_an_attribute_with_a_life_of_its_own_is_an_entity() -> None:
    diagram = merged(
        '|[{"a":"order","l":{"customer":"string","total":"decimal","lines":"string"}}]',
        '|[{"a":"customer","l":{"email":"string"}},{"a":"line","l":{"quantity":"int"}}]',
    )
    assert relations(diagram) == [("Customer", "1:N", "Order"), ("Order", "1:N", "Line")]
    assert "total" in drawn(diagram)["Order"][1]
    assert not any("customer" in attribute.split() for attribute in drawn(diagram)["Order"])


def test_a_name_known_only_as_an_attribute_is_no_entity() -> None:
    diagram = merged('|[{"e":["member","email"]},{"a":"member","l":{"email":"string"}}]')
    assert list(drawn(diagram)) == ["Member"]


def test_the_system_that_is_specified_is_no_entity_of_its_data() -> None:
    diagram = merged('|[{"r":["library system","1:N","members"]}]', '|[{"e":["operating system"]}]')
    assert list(drawn(diagram)) == ["Member"]
    assert list(drawn(merged('|[{"a":"system","l":{"version":"int"}},{"e":["disk"]}]'))) == ["System", "Disk"]


def test_labels_are_the_verbs_of_their_clauses() -> None:
    diagram = merged(
        'A member borrows many books.|[{"r":["member","1:N","books"]}]',
        'Each copy is kept on one shelf.|[{"r":["copy","N:1","shelf"]}]',
    )
    assert [relation.label for relation in diagram.relationships] == ["borrows", "has"]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("each member borrows many books", "borrows"),
        ("a member can be assigned to several books", "assigned to"),
        ("a book is written by a member", ""),
        ("member , who pays , books", ""),
        ("member", ""),
    ],
)
def test_a_label_is_what_stands_between_two_names(text: str, label: str) -> None:
    assert label_between(text, "member", "books") == label


@given(st.lists(st.lists(facts, max_size=4).map(tuple), max_size=6), st.randoms(use_true_random=False))
def test_merging_depends_on_places_alone_and_not_on_arrival(
    answers: list[Facts], shuffle: random.Random
) -> None:
    placed = [Answer(index, "", found) for index, found in enumerate(answers)]
    diagram = merge(placed)
    again = [*placed, *placed]
    shuffle.shuffle(again)
    assert merge(again) == diagram
    assert with_keys(diagram) == diagram


@given(st.lists(st.lists(facts, max_size=4).map(tuple), max_size=6))
def test_every_merged_diagram_is_sound(answers: list[Facts]) -> None:
    diagram = merge(Answer(index, "", found) for index, found in enumerate(answers))
    names = [entity.name for entity in diagram.entities]
    assert len({identity(name) for name in names}) == len(names)
    assert all(entity.primary_key for entity in diagram.entities)
    assert {end for r in diagram.relationships for end in (r.from_, r.to)} <= set(names)
    for element in (*diagram.entities, *diagram.relationships):
        assert element.evidence
        assert max(element.evidence) < len(answers)
    assert all(a.evidence or a.derived for entity in diagram.entities for a in entity.attributes)
    parsed = ParsedErd(diagram)
    assert (parsed.structure().passed or not names) and parsed.references().passed


def test_what_is_said_of_a_type_counts_unless_it_says_nothing() -> None:
    assert settled_type("born", ["string"]) == "date"
    assert settled_type("price", []) == "decimal"
    assert settled_type("price", ["int", "string"]) == "int"
    assert settled_type("status", ["int", "enum"]) == "enum"
    assert settled_type("whatsit", []) == "string"


@pytest.mark.parametrize(
    ("name", "kind"),
    [("email", "string"), ("unit price", "decimal"), ("date of birth", "date"), ("is active", "boolean"),
     ("created_at", "datetime"), ("publicationYear", "int"), ("due date", "date"), ("whatsit", None), ("", None)],
)  # fmt: skip
def test_common_names_have_a_type(name: str, kind: str | None) -> None:
    assert known_type(name) == kind


@pytest.mark.parametrize(
    ("plural", "one"),
    [("members", "member"), ("categories", "category"), ("addresses", "address"), ("address", "address"),
     ("buses", "bus"), ("bus", "bus"), ("statuses", "status"), ("status", "status"), ("series", "series"),
     ("people", "person"), ("children", "child"), ("data", "data"), ("analyses", "analysis"), ("bases", "base"),
     ("indices", "index"), ("boxes", "box"), ("houses", "house"), ("courses", "course"), ("movies", "movie"),
     ("matches", "match"), ("caches", "cache"), ("viruses", "virus"), ("lens", "lens"), ("bonus", "bonus"),
     ("bonuses", "bonus"), ("crisis", "crisis"), ("canvas", "canvas"), ("sms", "sms"), ("employees", "employee"),
     ("days", "day"), ("ids", "id"), ("women", "woman"), ("photos", "photo"), ("news", "news"),
     ("previous", "previous"), ("plateaus", "plateau"), ("bayous", "bayou")],
)  # fmt: skip
def test_singulars(plural: str, one: str) -> None:
    assert singular(plural) == one
    assert singular(one) == one


@given(st.text(max_size=30))
def test_names_keep_their_identity_when_they_are_written_for_a_diagram(name: str) -> None:
    if identity(name).isascii():
        assert identity(entity_name(name)) == identity(name)
        assert identity(attribute_name(name)) == identity(name)
