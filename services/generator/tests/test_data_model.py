"""A data model: what of an ER diagram other types are rendered from."""

from collections.abc import Sequence

from erd_strategies import diagrams
from hypothesis import given, settings

from hone_contracts import erd_facts
from hone_generator.artifacts.data_model import (
    DataModel,
    Field,
    ForeignKey,
    Reference,
    data_model,
    read_data_model,
)
from hone_generator.artifacts.kind import Brief
from hone_generator.artifacts.mermaid_erd.ir import Attribute, Diagram, Entity, Relationship
from hone_generator.providers.base import ChatMessage, Gbnf, JsonSchema


def relate(*relationships: str, **keys: str) -> DataModel:
    """Of "Member 1:N Loan"; ``Loan="a:int b:string"`` gives an entity a primary key of its own."""
    ends = [line.split() for line in relationships]
    names = dict.fromkeys(name for left, _, right in ends for name in (left, right))
    entities = []
    for name in names:
        pairs = [each.split(":") for each in keys.get(name, "").split()]
        entities.append(
            Entity(name=name, attributes=tuple(Attribute(name=n, type=t, keys=("PK",)) for n, t in pairs))
        )
    related = tuple(
        Relationship.model_validate({"from": left, "to": right, "cardinality": kind})
        for left, kind, right in ends
    )
    return data_model(Diagram(entities=tuple(entities), relationships=related))


def test_the_many_side_points_to_the_one_with_the_type_of_its_key() -> None:
    model = relate("Member 1:N Loan", Member="number:string")
    assert model.entity("Loan").foreign_keys == (ForeignKey(("member_number",), "Member", ("number",)),)
    assert (
        Field(
            "member_number", "string", required=True, references=Reference("Member", "number"), derived=True
        )
        in model.entity("Loan").fields
    )
    assert model.links[0].holder == "Loan"


def test_a_key_of_two_fields_is_pointed_to_by_two() -> None:
    model = relate("Seat 1:N Ticket", Seat="hall:int place:string")
    assert model.entity("Ticket").foreign_keys == (
        ForeignKey(("seat_hall", "seat_place"), "Seat", ("hall", "place")),
    )


def test_between_many_and_many_lies_an_entity_with_both_keys() -> None:
    model = relate("Student N:M Course")
    between = model.entity("StudentCourse")
    assert between.joins == ("Student", "Course")
    assert [each.name for each in between.key] == ["student_id", "course_id"]
    assert [each.entity for each in between.foreign_keys] == ["Student", "Course"]


def test_many_and_many_of_one_entity_have_two_names() -> None:
    between = relate("Person N:M Person").entity("PersonPerson")
    assert [each.name for each in between.key] == ["person_id", "other_person_id"]


def test_who_points_to_itself_need_not() -> None:
    parent = relate("Employee 1:N Employee").entity("Employee").fields[-1]
    assert (parent.name, parent.required) == ("parent_employee_id", False)


def test_of_two_that_point_to_each_other_one_can_be_first() -> None:
    model = relate("Team 1:N Player", "Player 1:N Team")
    required = [each.required for entity in model.entities for each in entity.fields if each.references]
    assert sorted(required) == [False, True]


def test_one_to_one_is_unique() -> None:
    model = relate("User 1:1 Profile")
    assert model.entity("Profile").foreign_keys[0].unique
    assert model.entity("Profile").fields[-1].unique


def test_a_stated_field_is_the_one_that_points() -> None:
    loan = Entity(name="Loan", attributes=(Attribute(name="member", type="string"),))
    related = Relationship.model_validate({"from": "Member", "to": "Loan", "cardinality": "1:N"})
    model = data_model(Diagram(entities=(Entity(name="Member"), loan), relationships=(related,)))
    field = next(each for each in model.entity("Loan").fields if each.name == "member")
    assert field == Field("member", "int", required=True, references=Reference("Member", "id"), derived=False)


def test_the_links_of_an_entity_are_seen_from_it() -> None:
    model = relate("Member 1:N Loan")
    assert [each[1:] for each in model.links_of("Member")] == [("Loan", True, False)]
    assert [each[1:] for each in model.links_of("Loan")] == [("Member", False, True)]


@settings(deadline=None)
@given(diagrams())
def test_any_diagram_gives_a_model_in_which_everything_leads_somewhere(diagram: Diagram) -> None:
    model = data_model(diagram)
    names = [each.name for each in model.entities]
    assert len(set(names)) == len(names)
    fields = {each.name: {field.name: field for field in each.fields} for each in model.entities}
    for entity in model.entities:
        assert len(fields[entity.name]) == len(entity.fields)
        assert entity.key
        for key in entity.foreign_keys:
            assert tuple(each.name for each in model.entity(key.entity).key) == key.targets
            pairs = zip(key.fields, key.targets, strict=True)
            assert all(fields[entity.name][a].type == fields[key.entity][b].type for a, b in pairs)
    assert {link.holder for link in model.links} <= set(names)
    assert data_model(diagram) == model


async def test_requirements_are_read_passage_by_passage() -> None:
    asked: list[Gbnf | JsonSchema | None] = []
    told: list[int | None] = []

    async def ask(messages: Sequence[ChatMessage], constraint: Gbnf | JsonSchema | None) -> str:
        asked.append(constraint)
        if "books" in messages[-1].content:
            return "no facts at all"
        return erd_facts.dumps([erd_facts.Relation("member", "1:N", "loans")])

    async def tell(
        stage: str, message: str = "", *, done: int | None = None, total: int | None = None
    ) -> None:
        told.append(done)

    brief = Brief("Each member has many loans. There are books.", reading="passages")
    read = await read_data_model(brief, ask, tell)
    assert [each.name for each in read.model.entities] == ["Member", "Loan"]
    assert {each.element for each in read.evidence} >= {"entity:Member", "relationship:Member-1:N-Loan"}
    assert len(asked) == 2 and isinstance(asked[0], Gbnf)
    assert told == [1, 2]
    assert "not read" in read.notes[0]
