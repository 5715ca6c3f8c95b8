"""Rendered OpenAPI documents are valid, whatever the names and paths."""

import yaml
from asking import verdicts
from erd_strategies import diagrams
from hypothesis import given, settings
from hypothesis import strategies as st
from type_strategies import stated_types, words

from hone_generator.artifacts.data_model import data_model
from hone_generator.artifacts.document import read_yaml
from hone_generator.artifacts.mermaid_erd.ir import Diagram
from hone_generator.artifacts.object_types import StatedType
from hone_generator.artifacts.openapi.answer import Answer, StatedOperation, StatedParameter, answer_of
from hone_generator.artifacts.openapi.kind import OpenApi
from hone_generator.artifacts.openapi.paths import Paths
from hone_generator.artifacts.openapi.render import document_of, to_yaml

KIND = OpenApi()

segments = st.one_of(words, st.sampled_from(["members", "{id}", ":id", "<id>", "{member_id}", "{}", "{é}"]))
paths = st.one_of(
    words,
    st.lists(segments, max_size=5).map("/".join),
)  # fmt: skip
operations = st.builds(
    StatedOperation,
    evidence=st.just(""),
    method=st.sampled_from(["get", "GET", "post", "put", "patch", "delete", "brew", ""]),
    path=paths,
    summary=words,
    request=words,
    response=words,
    many=st.booleans(),
    paged=st.booleans(),
    query=st.lists(
        st.builds(StatedParameter, name=words, type=words, required=st.booleans(), description=words),
        max_size=3,
    ),
    errors=st.lists(st.sampled_from([0, 200, 400, 404, 409, 999, -1]), max_size=3),
)


@settings(max_examples=60, deadline=None)
@given(
    stated_types(),
    st.lists(operations, max_size=6),
    words,
    st.sampled_from(["none", "bearer", "basic", "api_key", "x"]),
)
async def test_any_answer_renders_a_valid_document(
    types: list[StatedType], stated: list[StatedOperation], title: str, security: str
) -> None:
    answer = Answer(title=title, description=title, security=security, types=types, operations=stated)
    document, _ = document_of(answer)
    content = to_yaml(document)
    assert yaml.safe_load(content) == document
    found = await verdicts(KIND, content)
    assert found["syntax"].messages == () == found["references"].messages


@settings(max_examples=25, deadline=None)
@given(diagrams())
async def test_any_data_model_renders_a_valid_document_with_nothing_left_out(diagram: Diagram) -> None:
    document, left_out = document_of(answer_of(data_model(diagram)))
    assert [each for each in left_out.notes if "stated twice" not in each] == []  # " " and "" have one path
    found = await verdicts(KIND, to_yaml(document))
    assert found["syntax"].messages == () == found["references"].messages


def test_what_looks_like_a_number_stays_text() -> None:
    texts = [
        "0E0",
        "1_000",
        "no",
        "on",
        "~",
        "0x1f",
        "12:30:45",
        "2024-01-01",
        "null",
        "1.",
        ".5",
        "=",
        "<<",
        "-",
    ]
    document = {text: text for text in texts}
    assert yaml.safe_load(to_yaml(document)) == document
    assert read_yaml(to_yaml(document)).value == document


def test_what_stands_twice_is_written_twice() -> None:
    shared = {"a": [1]}
    assert "&" not in to_yaml({"one": shared, "other": shared})


def test_a_path_goes_on_from_one_that_calls_its_parameter_otherwise() -> None:
    paths = Paths()
    assert paths.template("/members/{member_id}").text == "/members/{member_id}"
    assert paths.template("/members/{id}/loans/:number").text == "/members/{member_id}/loans/{number}"
    assert paths.template("members/<number>/").text == "/members/{member_id}"
