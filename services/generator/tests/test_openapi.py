"""The OpenAPI type: from answers of every kind to documents, and what is wrong with documents from anywhere."""

import json
import socket
import time
from itertools import pairwise
from typing import Any

import pytest
import yaml
from asking import made, verdicts
from hypothesis import given, settings
from hypothesis import strategies as st
from type_strategies import words

from hone_contracts import erd_facts
from hone_generator.artifacts.kind import Subject
from hone_generator.artifacts.openapi.kind import OpenApi

KIND = OpenApi()
TEXT = "Members sign in with a token. A member can list the loans of a member, 20 at a time, and return a loan once."
ANSWER: dict[str, Any] = {
    "reasoning": "", "title": "Library", "description": "Loans of a library.", "security": "bearer",
    "types": [
        {"name": "member", "evidence": "", "fields": [{"name": "id", "type": "integer"}, {"name": "email"}]},
        {"name": "loan", "evidence": "", "fields": [{"name": "id", "type": "uuid"}, {"name": "due", "type": "date"}]},
    ],
    "operations": [
        {"method": "get", "path": "/members/{member_id}/loans", "response": "loans", "many": True, "paged": True,
         "evidence": "list the loans of a member", "query": [{"name": "overdue", "type": "boolean"}]},
        {"method": "POST", "path": "members/:memberId", "request": "Member", "response": "member"},
        {"method": "post", "path": "/loans/{loan_id}/return", "errors": [409, 999], "evidence": "return a loan once"},
        {"method": "delete", "path": "/loans/{id}"},
    ],
}  # fmt: skip
GOOD = """\
openapi: 3.1.0
info:
  title: Library
  version: 1.0.0
security:
  - bearerAuth: []
paths:
  /members:
    get:
      operationId: listMembers
      summary: List members
      parameters:
        - $ref: '#/components/parameters/Limit'
      responses:
        '200':
          description: Done.
          content:
            application/json:
              schema:
                type: array
                items:
                  $ref: '#/components/schemas/Member'
        '400':
          description: Wrong.
  /members/{member_id}:
    parameters:
      - name: member_id
        in: path
        required: true
        schema:
          type: integer
    delete:
      operationId: deleteMember
      summary: Delete a member
      responses:
        '204':
          description: Done.
        '404':
          description: Not there.
components:
  schemas:
    Member:
      type: object
      properties:
        id:
          type: integer
        email:
          type: string
          maxLength: 80
      required:
        - id
  parameters:
    Limit:
      name: limit
      in: query
      schema:
        type: integer
        maximum: 20
  securitySchemes:
    bearerAuth:
      type: http
      scheme: bearer
"""


async def test_an_answer_becomes_a_document_with_evidence() -> None:
    draft = await made(KIND, TEXT, json.dumps(ANSWER))
    document = yaml.safe_load(draft.content)
    listing = document["paths"]["/members/{member_id}/loans"]["get"]
    assert listing["operationId"] == "listMemberLoans"
    assert [each.get("name") or each["$ref"] for each in listing["parameters"]] == [
        "overdue", "#/components/parameters/Limit", "#/components/parameters/Cursor",
    ]  # fmt: skip
    assert document["paths"]["/members/{member_id}"]["parameters"][0]["schema"] == {"type": "integer"}
    assert set(document["paths"]["/loans/{loan_id}/return"]["post"]["responses"]) == {
        "201",
        "400",
        "401",
        "404",
        "409",
    }
    assert "delete" in document["paths"]["/loans/{loan_id}"]  # the same path as one called otherwise
    assert {each.element for each in draft.evidence} == {
        "operation:get /members/{member_id}/loans", "operation:post /loans/{loan_id}/return",
    }  # fmt: skip
    found = await verdicts(KIND, draft.content, draft)
    assert {name: each.messages for name, each in found.items() if each.score < 90} == {}


async def test_facts_alone_are_enough() -> None:
    facts: list[erd_facts.Fact] = [
        erd_facts.Attributes("member", {"email": "string"}),
        erd_facts.Relation("member", "1:N", "loans"),
        erd_facts.Relation("loans", "N:M", "books"),
    ]
    text = "Each member has an email and loans of books."
    draft = await made(KIND, text, erd_facts.dumps(facts), reading="passages")
    document = yaml.safe_load(draft.content)
    assert {"/members", "/members/{member_id}", "/members/{member_id}/loans", "/books"} <= document[
        "paths"
    ].keys()
    found = await verdicts(KIND, draft.content, draft)
    assert {name: each.messages for name, each in found.items() if each.score < 95} == {}


async def test_a_whole_document_in_free_text_is_taken_as_it_is() -> None:
    assert (await made(KIND, TEXT, f"Sure:\n```yaml\n{GOOD}```\nBye")).content == GOOD
    assert (await made(KIND, TEXT, f"Here it is.\n\n{GOOD}")).content == GOOD
    as_json = await made(KIND, TEXT, json.dumps(yaml.safe_load(GOOD)))
    assert yaml.safe_load(as_json.content) == yaml.safe_load(GOOD)


async def test_an_answer_that_is_none_is_a_note() -> None:
    draft = await made(KIND, TEXT, "I would rather not.")
    assert draft.content == ""
    assert "no JSON object" in draft.notes[0]
    found = await verdicts(KIND, draft.content)
    assert not found["syntax"].passed and found["structure"].score == 0


async def test_a_good_document_scores_well() -> None:
    assert {
        name: each.messages for name, each in (await verdicts(KIND, GOOD)).items() if each.score < 100
    } == {}


@pytest.mark.parametrize(
    ("was", "now", "validator", "message"),
    [
        ("openapi: 3.1.0", "openapi: 3.0.3", "syntax", "line 1: the version is 3.0.3"),
        ("openapi: 3.1.0", "swagger: '2.0'", "syntax", "write openapi: 3.1.0"),
        ("  version: 1.0.0\n", "", "syntax", 'line 2: info: "version" is a required property'),
        ("        in: path", "        in: nowhere", "syntax", "line 28"),
        ("type: array", "type: list", "syntax", "line 20"),
        ("  title: Library", "  title: Library\n  title: Shop", "syntax", "title is given twice"),
        ("info:", "info: [", "syntax", "line 4"),
        ("'#/components/schemas/Member'", "'#/components/schemas/Person'", "references", "Person leads nowhere"),
        ("'#/components/parameters/Limit'", "'https://example.org/x.yaml'", "references", "leads out of"),
        ("      - name: member_id", "      - name: id", "references",
         "line 32: delete /members/{member_id}: the parameter member_id is not declared"),
        ("      - name: member_id", "      - name: id", "references", "the path has no {id}"),
        ("operationId: deleteMember", "operationId: listMembers", "references", "listMembers is given twice"),
        ("  - bearerAuth: []", "  - apiKey: []", "references", "apiKey, which is no scheme"),
        ("        - id\n", "        - phone\n", "references", "requires phone"),
        ("maxLength: 80", "maxLength: 80\n          minLength: 90", "references", "minLength 90 is more"),
        ("  schemas:\n", "  schemas:\n    Visitor:\n      type: object\n", "structure", "Visitor is used"),
        ("        '204':", "        '418':", "structure", "never succeeds"),
        ("  /members:", "  /getMember:", "style", "has a verb in it"),
        ("  /members/{member_id}:", "  /member/{member_id}:", "style", "holds several: write members"),
        ("  /members:", "  /libraryMembers:", "style", "kebab-case: write library-members"),
        ("      operationId: deleteMember\n", "", "style", "has no operationId"),
        ("      summary: Delete a member\n", "", "style", "neither summary nor description"),
        ("        '404':\n          description: Not there.\n", "", "style", "knows no error"),
        ("        email:", "        mailAddress: {}\n        home_address: {}\n        email:", "style", "mail_"),
    ],
)  # fmt: skip
async def test_a_planted_flaw_is_found(was: str, now: str, validator: str, message: str) -> None:
    assert was in GOOD
    found = (await verdicts(KIND, GOOD.replace(was, now, 1)))[validator]
    assert any(message in each for each in found.messages), found.messages
    assert found.score < 100


async def test_default_responses_and_whatever_has_a_free_name_are_looked_into() -> None:
    problem = "content: {application/json: {schema: {$ref: '#/components/schemas/%s'}}}"
    header = "headers: {x-next: {schema: {$ref: '#/components/schemas/%s'}}}"
    default = f"        default: {{description: No., {problem % 'Problem'}, {header % 'Next'}}}\n"
    named = (
        "\n    Problem: {type: object, description: No., properties: {example: {$ref: '#/components/schemas/Nxt'}}}"
        "\n    Next: {type: string, description: Where to go on.}\n"
    )
    content = GOOD.replace("        '400':\n", default + "        '400':\n", 1)
    content = content.replace("\n    Member:\n", named + "    Member:\n", 1)
    found = await verdicts(KIND, content)
    assert found["syntax"].passed, found["syntax"].messages
    assert found["structure"].score == 100, found["structure"].messages
    assert ["#/components/schemas/Nxt leads nowhere" in said for said in found["references"].messages] == [
        True
    ]


async def test_what_lies_in_examples_is_nobody_s_reference() -> None:
    example = "          content: {application/json: {example: {$ref: '#/nowhere'}}}\n"
    content = GOOD.replace("          description: Wrong.\n", "          description: Wrong.\n" + example, 1)
    found = await verdicts(KIND, content)
    assert found["syntax"].passed
    assert found["references"].messages == ()


async def test_nothing_outside_is_ever_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for place in ("http://169.254.169.254/latest", "file:///etc/passwd", "other.yaml#/x"):
        found = await verdicts(KIND, GOOD.replace("#/components/schemas/Member", place))
        assert found["syntax"].passed  # the form is right
        assert "leads out of the document" in found["references"].messages[0]


CHAIN = "".join(f"    S{i}: {{$ref: '#/components/schemas/S{i + 1}'}}\n" for i in range(4_000))
HUGE = [
    "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefghijkl")),
    "openapi: 3.1.0\npaths: " + "{a: " * 20_000,
    GOOD.replace("paths:\n", "paths:\n" + "".join(f"  /p{i}:\n    get: {{}}\n" for i in range(5_000))),
    GOOD.replace("  schemas:\n", "  schemas:\n" + CHAIN),
    GOOD.replace("{member_id}", "{" * 50_000),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(HUGE)))
async def test_hostile_documents_are_judged_in_bounded_time(number: int) -> None:
    begun = time.monotonic()
    await verdicts(KIND, HUGE[number])
    KIND.read(Subject(HUGE[number])).outline()
    assert time.monotonic() - begun < 20


KEYS = [
    "openapi", "info", "title", "version", "paths", "/a/{b}", "get", "post", "parameters", "name", "in", "responses",
    "200", "content", "schema", "$ref", "components", "schemas", "security", "operationId", "requestBody",
]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | words | st.sampled_from(["3.1.0", "path", "#/components/schemas/a", "#"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
        max_leaves=15,
    ),
    st.booleans(),
)
async def test_judging_never_fails(value: Any, begun: bool) -> None:
    content = json.dumps(
        {"openapi": "3.1.0", "paths": {"/a/{b}": value}, "components": value} if begun else value
    )
    for result in (await verdicts(KIND, content)).values():
        assert 0 <= result.score <= 100
    KIND.read(Subject(content)).outline()


def test_an_outline_tells_what_is_done_with_what() -> None:
    outline = KIND.read(Subject(GOOD)).outline()
    assert {each.text for each in outline.names if each.role == "action"} == {"listMembers", "deleteMember"}
    assert {each.text for each in outline.names if each.role == "type"} == {"Member"}
    assert {"80", "20"} <= {each.text for each in outline.names if each.role == "label"}
    assert outline.scope == "everything"


async def test_what_every_api_has_is_not_invented() -> None:
    draft = await made(KIND, TEXT, json.dumps(ANSWER))
    outline = KIND.read(Subject(draft.content)).outline()
    assert all(each.derived for each in outline.names if each.text in ("Problem", "instance", "detail"))
    assert outline.links is not None
    assert ("Member", "Loan", True) in [(each.from_, each.to, each.many_to) for each in outline.links]
