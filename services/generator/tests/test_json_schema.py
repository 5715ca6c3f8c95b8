"""The JSON Schema type: from answers of every kind to schemas, and what is wrong with schemas from anywhere."""

import copy
import json
import socket
import time
from typing import Any

import pytest
from asking import made, verdicts
from erd_strategies import diagrams
from hypothesis import given, settings
from hypothesis import strategies as st
from type_strategies import stated_types as types_strategy
from type_strategies import words

from hone_contracts import erd_facts
from hone_generator.artifacts.data_model import data_model
from hone_generator.artifacts.json_schema.answer import Answer, render, schema_of_answer
from hone_generator.artifacts.json_schema.kind import JsonSchemaDocument
from hone_generator.artifacts.kind import Subject
from hone_generator.artifacts.mermaid_erd.ir import Diagram
from hone_generator.artifacts.object_types import StatedType, stated_types

KIND = JsonSchemaDocument()
TEXT = "Each member has an email and up to 5 loans. A loan is open or closed."
ANSWER: dict[str, Any] = {
    "reasoning": "", "title": "Library", "root": "member",
    "types": [
        {
            "name": "member", "evidence": "Each member has an email", "description": "Who borrows.",
            "fields": [
                {"name": "email", "type": "email", "required": True, "evidence": "an email"},
                {"name": "loans", "type": "object", "of": "Loans", "many": True, "maximum": "5"},
            ],
        },
        {"name": "loan", "evidence": "A loan is open or closed.", "fields": [
            {"name": "status", "type": "enum", "values": ["open", "closed"], "required": True},
            {"name": "dueDate", "type": "date"},
        ]},
    ],
}  # fmt: skip
GOOD: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Library",
    "$ref": "#/$defs/Member",
    "$defs": {
        "Member": {
            "type": "object",
            "properties": {
                "email": {"type": "string", "format": "email", "maxLength": 80},
                "loans": {"type": "array", "items": {"$ref": "#/$defs/Loan"}, "maxItems": 5},
            },
            "required": ["email"],
        },
        "Loan": {
            "type": "object",
            "properties": {
                "due_date": {"type": "string"},
                "status": {"type": "string", "enum": ["open", "closed"]},
            },
        },
    },
}


def changed(**parts: Any) -> str:
    """GOOD with values put at paths that are written with two underscores."""
    document = copy.deepcopy(GOOD)
    for path, value in parts.items():
        *way, last = path.split("__")
        place = document
        for step in way:
            place = place[step.replace("DEFS", "$defs")]
        place[last.replace("REF", "$ref").replace("DEFS", "$defs")] = value
    return json.dumps(document, indent=2)


async def test_an_answer_becomes_a_schema_with_evidence() -> None:
    draft = await made(KIND, TEXT, json.dumps(ANSWER))
    document = json.loads(draft.content)
    assert document["$ref"] == "#/$defs/Member"
    assert document["$defs"]["Member"]["properties"]["loans"] == {
        "type": "array", "items": {"$ref": "#/$defs/Loan"}, "maxItems": 5,
    }  # fmt: skip
    assert document["$defs"]["Loan"]["properties"]["status"]["enum"] == ["open", "closed"]
    assert {each.element for each in draft.evidence} == {"type:member", "type:loan", "field:member.email"}
    found = await verdicts(KIND, draft.content, draft)
    assert {name: each.score for name, each in found.items() if each.score < 95} == {}


async def test_facts_alone_are_enough() -> None:
    facts: list[erd_facts.Fact] = [
        erd_facts.Attributes("member", {"email": "string"}),
        erd_facts.Relation("member", "1:N", "loans"),
        erd_facts.Relation("loans", "N:M", "books"),
    ]
    draft = await made(
        KIND, "Each member has an email and loans.", erd_facts.dumps(facts), reading="passages_schema"
    )
    assert draft.content  # a general model's form is another one; nothing is read, but something is said
    draft = await made(
        KIND, "Each member has an email and loans of books.", erd_facts.dumps(facts), reading="passages"
    )
    document = json.loads(draft.content)
    assert document["$defs"]["Loan"]["properties"]["member_id"] == {"type": "integer"}
    assert document["$defs"]["Loan"]["properties"]["book_ids"] == {
        "type": "array",
        "items": {"type": "integer"},
    }
    assert document["properties"]["members"] == {"type": "array", "items": {"$ref": "#/$defs/Member"}}
    found = await verdicts(KIND, draft.content, draft)
    assert {name: each.score for name, each in found.items() if each.score < 90} == {}


async def test_a_whole_schema_in_free_text_is_taken_as_it_is() -> None:
    draft = await made(KIND, TEXT, f"Here it is:\n```json\n{json.dumps(GOOD)}\n```\nBye.")
    assert json.loads(draft.content) == GOOD


async def test_an_answer_that_is_none_is_a_note() -> None:
    draft = await made(KIND, TEXT, "I am afraid not.")
    assert draft.content == ""
    assert "no JSON object" in draft.notes[0]
    found = await verdicts(KIND, draft.content)
    assert not found["syntax"].passed and found["structure"].score == 0


async def test_a_good_schema_scores_well() -> None:
    found = await verdicts(KIND, json.dumps(GOOD, indent=2))
    assert {name: each.messages for name, each in found.items() if each.score < 100} == {}


@pytest.mark.parametrize(
    ("content", "validator", "message"),
    [
        (changed(DEFS__Member__type="objekt"), "syntax", "line 7: Member.type"),
        (changed(DEFS__Member__required="email"), "syntax", "Member.required"),
        (changed(DEFS__Member__properties__email={"minLength": -1}), "syntax", "minLength"),
        ('{"type": "object",\n "properties": {}\n "a": 1}', "syntax", "line 3"),
        ('{"type": "object", "type": "string"}', "syntax", "given twice"),
        ('{"$schema": "http://json-schema.org/draft-04/schema#"}', "syntax", "another dialect"),
        ("[]", "syntax", "begin with {"),
        (changed(REF="#/$defs/Visitor"), "references", "line 4: the document: $ref #/$defs/Visitor leads nowhere"),
        (changed(REF="https://example.org/member.json"), "references", "leads out of the document"),
        (changed(REF="#nobody"), "references", "no $anchor nobody"),
        (changed(DEFS__Loan={"$ref": "#/$defs/Loan"}), "references", "in a circle"),
        (changed(DEFS__Member__required=["phone"]), "references", "requires phone"),
        (changed(DEFS__Member__properties__email={"type": "string", "enum": []}), "references", "enum is empty"),
        (changed(DEFS__Member__properties__email={"type": "string", "enum": [1]}), "references", "not of type"),
        (changed(DEFS__Member__properties__email={"minLength": 9, "maxLength": 3}), "references", "minLength 9 is"),
        (changed(DEFS__Member__properties__email={"pattern": "(("}), "references", "no regular expression"),
        (changed(DEFS__Visitor={"type": "object", "properties": {"a": {}}}), "structure", "Visitor is used nowhere"),
        (changed(DEFS__Loan={"type": "object"}), "structure", "object without properties"),
        (changed(DEFS__Member__properties__loans={"type": "array"}), "structure", "array of anything"),
        ("{}", "structure", "describes nothing"),
        (changed(DEFS__Loan__properties__dueDate={"type": "string"}), "style", "write due_date"),
        (changed(DEFS__member={"type": "string"}), "style", "PascalCase: write Member"),
        (json.dumps({**GOOD, "$schema": None, "definitions": {}}), "style", "definitions is called $defs"),
    ],
)  # fmt: skip
async def test_a_planted_flaw_is_found(content: str, validator: str, message: str) -> None:
    found = (await verdicts(KIND, content))[validator]
    assert any(message in each for each in found.messages), found.messages
    assert found.score < 100


@settings(max_examples=60, deadline=None)
@given(types_strategy(), words, words)
async def test_any_answer_renders_a_valid_schema(types: list[StatedType], title: str, root: str) -> None:
    document, _ = schema_of_answer(Answer(title=title, root=root, types=types))
    content = render(document)
    found = await verdicts(KIND, content)
    assert found["syntax"].messages == ()
    assert not [each for each in found["references"].messages if "requires" not in each]


@settings(max_examples=25, deadline=None)
@given(diagrams())
async def test_any_data_model_renders_a_valid_schema_with_nothing_left_out(diagram: Diagram) -> None:
    document, left_out = schema_of_answer(Answer(types=stated_types(data_model(diagram))))
    assert left_out.notes == ()
    found = await verdicts(KIND, render(document))
    assert found["syntax"].messages == () == found["references"].messages


async def test_nothing_outside_is_ever_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    content = changed(
        REF="http://169.254.169.254/latest",
        DEFS__Loan={
            "$schema": "http://127.0.0.1/meta",
            "$id": "http://127.0.0.1/x",
            "$dynamicRef": "file:///etc/passwd",
        },
    )
    found = await verdicts(KIND, content)
    assert not found["references"].passed


HUGE = [
    '{"a":' * 50_000,
    '{"properties": {' + ",".join(f'"p{i}": {{"type": "string"}}' for i in range(6_000)) + "}}",
    '{"$defs": {' + ",".join(f'"D{i}": {{"$ref": "#/$defs/D{i + 1}"}}' for i in range(4_000)) + "}}",
    '{"pattern": "' + "(" * 100_000 + '"}',
    '{"pattern": "(a+)+$", "default": "' + "a" * 1000 + '!"}',
    '{"enum": [' + ",".join(["1"] * 19_000) + "]}",
    '{"$ref": "#' + "/a" * 60_000 + '"}',
    '{"required": [' + ",".join(f'"r{i}"' for i in range(15_000)) + '], "properties": {"a": {}}}',
]


@pytest.mark.parametrize("number", range(len(HUGE)))
async def test_hostile_schemas_are_judged_in_bounded_time(number: int) -> None:
    begun = time.monotonic()
    await verdicts(KIND, HUGE[number])
    KIND.read(Subject(HUGE[number])).outline()
    assert time.monotonic() - begun < 20


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | words,
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["$ref", "$defs", "type", "properties", "items", "required", "enum", "pattern", "allOf",
                             "a", "minimum", "maximum", "$anchor", "$id", "description", "title", "const"]),
            inner, max_size=4,
        ),
        max_leaves=15,
    )
)  # fmt: skip
async def test_judging_never_fails(value: Any) -> None:
    content = json.dumps(value)
    for result in (await verdicts(KIND, content)).values():
        assert 0 <= result.score <= 100
    KIND.read(Subject(content)).outline()


def test_an_outline_tells_types_limits_and_links() -> None:
    outline = KIND.read(Subject(json.dumps(GOOD))).outline()
    assert {each.text for each in outline.names if each.role == "type"} == {"Member", "Loan"}
    assert {each.text for each in outline.names if each.role == "member"} == {
        "email",
        "loans",
        "due_date",
        "status",
    }
    assert {"5", "80", "open", "closed"} <= {each.text for each in outline.names if each.role == "label"}
    assert outline.links is not None
    assert [(each.from_, each.to, each.many_to) for each in outline.links] == [("Member", "Loan", True)]
