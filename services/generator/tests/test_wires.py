"""What OpenAI's protocol is to other servers, and what Anthropic and Gemini send beside the answer."""

from dataclasses import replace
from typing import Any

import pytest
from remote_cases import ASK

from hone_generator.providers.anthropic_wire import AnthropicWire
from hone_generator.providers.base import ChatMessage, Chunk, FinishReason, JsonSchema, Role, Usage
from hone_generator.providers.errors import BadProviderAnswer, StreamBroken
from hone_generator.providers.gemini_wire import GeminiWire
from hone_generator.providers.habits import Habits, KnownHabits
from hone_generator.providers.openai_wire import OpenAIWire
from hone_generator.providers.remote_answers import Reader
from hone_generator.providers.wire_fields import Document, Fields

OPENAI, OTHERS, ANTHROPIC, GEMINI = (
    OpenAIWire(original=True),
    OpenAIWire(original=False),
    AnthropicWire(),
    GeminiWire(),
)
SCHEMA = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 3}}, "required": ["a"]}
HELD = replace(ASK, constraint=JsonSchema(SCHEMA))


def delta(finish: str | None = None, **fields: Any) -> Document:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": finish}]}


def read(reader: Reader, *documents: Document) -> tuple[list[Chunk | None], Chunk]:
    pieces = [reader.read(document) for document in documents]
    return pieces, reader.last()


def test_thoughts_are_no_part_of_the_answer_but_a_sign_of_life() -> None:
    pieces, _ = read(
        OTHERS.reader("any"),
        delta(reasoning_content="hmm"),
        delta(reasoning="hmm"),
        delta(
            content=[
                {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
                {"type": "text", "text": "a"},
            ]
        ),
        delta(content=None, role="assistant"),
        delta("stop", content="b"),
    )
    assert pieces == [Chunk(""), Chunk(""), Chunk("a"), None, Chunk("b")]
    anthropic, _ = read(
        ANTHROPIC.reader("any"),
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hmm"}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "a"}},
    )
    assert anthropic == [Chunk(""), Chunk(""), Chunk("a")]
    gemini, _ = read(
        GEMINI.reader("any"),
        {"candidates": [{"content": {"parts": [{"text": "hmm", "thought": True}, {"text": "a"}]}}]},
        {"candidates": [{"content": {"parts": [{"text": "hmm", "thought": True}]}}]},
    )
    assert gemini == [Chunk("a"), Chunk("")]


@pytest.mark.parametrize(
    "documents",
    [
        [
            delta(content="a"),
            delta("stop"),
            {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 1}},
        ],
        [delta(content="a"), {**delta("stop"), "usage": {"prompt_tokens": 7, "completion_tokens": 1}}],
        [
            {**delta(content="a"), "usage": {"prompt_tokens": 7, "completion_tokens": 0}},
            {**delta("stop"), "usage": {"prompt_tokens": 7, "completion_tokens": 1}},
            {"choices": [], "usage": None},
        ],
        [delta("stop", content="a"), {"usage": {"prompt_tokens": 7, "completion_tokens": 1}}],
    ],
    ids=["of their own", "with the last", "with each", "without choices"],
)
def test_counts_come_where_each_server_puts_them(documents: list[Document]) -> None:
    _, last = read(OTHERS.reader("any"), *documents)
    assert last == Chunk("", FinishReason.STOP, Usage(7, 1))


def test_what_was_known_of_the_prompt_is_counted_by_all() -> None:
    usage = {"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 64}}
    _, openai = read(OPENAI.reader("any"), delta("stop"), {"choices": [], "usage": usage})
    start = {
        "input_tokens": 30,
        "cache_read_input_tokens": 64,
        "cache_creation_input_tokens": 6,
        "output_tokens": 1,
    }
    _, anthropic = read(
        ANTHROPIC.reader("any"),
        {"type": "message_start", "message": {"usage": start}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
    )
    counts = {
        "promptTokenCount": 100,
        "candidatesTokenCount": 2,
        "thoughtsTokenCount": 3,
        "cachedContentTokenCount": 64,
    }
    _, gemini = read(
        GEMINI.reader("any"), {"candidates": [{"finishReason": "STOP"}], "usageMetadata": counts}
    )
    assert openai.usage == anthropic.usage == gemini.usage == Usage(100, 5, 64)


@pytest.mark.parametrize(
    ("documents", "finish"),
    [
        ([delta("stop", refusal="I cannot help with that.")], FinishReason.REFUSED),
        ([delta("content_filter")], FinishReason.REFUSED),
        ([delta("length")], FinishReason.LENGTH),
        ([delta("eos")], FinishReason.STOP),
    ],
)
def test_how_compatible_servers_end(documents: list[Document], finish: FinishReason) -> None:
    _, last = read(OTHERS.reader("any"), *documents)
    assert last.finish_reason is finish


@pytest.mark.parametrize("reason", ["error", "abort"])
def test_an_end_that_is_none_breaks_the_answer(reason: str) -> None:
    with pytest.raises(StreamBroken, match=reason):
        OTHERS.reader("any").read(delta(reason))


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("MAX_TOKENS", FinishReason.LENGTH),
        ("RECITATION", FinishReason.REFUSED),
        ("SPII", FinishReason.REFUSED),
    ],
)
def test_how_gemini_ends(reason: str, finish: FinishReason) -> None:
    _, last = read(GEMINI.reader("any"), {"candidates": [{"finishReason": reason}]})
    assert last.finish_reason is finish


def test_gemini_may_refuse_a_prompt_without_an_answer_and_may_break_off() -> None:
    blocked = {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 9},
    }
    _, last = read(GEMINI.reader("any"), blocked)
    assert last == Chunk("", FinishReason.REFUSED, Usage(9, 0))
    with pytest.raises(StreamBroken, match="MALFORMED"):
        GEMINI.reader("any").read({"candidates": [{"finishReason": "MALFORMED_FUNCTION_CALL"}]})


@pytest.mark.parametrize("reason", ["model_context_window_exceeded", "max_tokens"])
def test_how_anthropic_ends_when_there_is_no_more_room(reason: str) -> None:
    _, last = read(ANTHROPIC.reader("any"), {"type": "message_delta", "delta": {"stop_reason": reason}})
    assert last.finish_reason is FinishReason.LENGTH


@pytest.mark.parametrize(
    ("wire", "document"),
    [
        (OPENAI, {"choices": [{"index": 0, "delta": {"content": 17}}]}),
        (OPENAI, {"hello": "world"}),
        (OPENAI, {"choices": [], "usage": {"prompt_tokens": -1, "completion_tokens": 1}}),
        (ANTHROPIC, {"type": "content_block_delta", "delta": {"type": "text_delta", "text": ["a"]}}),
        (GEMINI, {"candidates": [{"content": {"parts": "a"}}]}),
    ],
)
def test_what_no_protocol_knows_is_not_understood(wire: Any, document: Document) -> None:
    with pytest.raises(BadProviderAnswer):
        wire.reader("any").read(document)


def test_openai_gets_its_strict_dialect_and_others_the_schema_as_it_is() -> None:
    (_, openai), (_, others) = OPENAI.chat("gpt-4.1", HELD, Habits()), OTHERS.chat("any", HELD, Habits())
    strict, as_is = openai["response_format"]["json_schema"], others["response_format"]["json_schema"]
    assert strict["strict"] is True
    assert strict["schema"]["additionalProperties"] is False
    assert "maxLength" not in strict["schema"]["properties"]["a"]
    assert as_is["schema"] == SCHEMA


def test_a_schema_is_asked_for_ever_less_strictly_and_last_in_words() -> None:
    kinds = []
    for form in range(OPENAI.forms):
        _, body = OPENAI.chat("gpt-4.1", HELD, Habits(form=form))
        found = body.get("response_format", {})
        told = "JSON schema" in body["messages"][0]["content"]
        kinds.append((found.get("type"), found.get("json_schema", {}).get("strict"), told))
    assert kinds == [
        ("json_schema", True, False),
        ("json_schema", False, False),
        ("json_object", None, True),
        (None, None, True),
    ]


def test_models_that_think_are_asked_to_think_little() -> None:
    assert OPENAI.chat("gpt-6.1-sol", ASK, Habits())[1]["reasoning_effort"] == "low"
    assert "reasoning_effort" not in OPENAI.chat("gpt-4.1", ASK, Habits())[1]
    assert "reasoning_effort" not in OTHERS.chat("gpt-5-mini", ASK, Habits())[1]
    config = GEMINI.chat("gemini-2.5-flash", ASK, Habits())[1]["generationConfig"]
    assert config["thinkingConfig"] == {"thinkingBudget": 0}
    output = ANTHROPIC.chat("claude-opus-5-5", HELD, Habits())[1]["output_config"]
    assert output["effort"] == "low"
    assert output["format"]["type"] == "json_schema"
    assert "output_config" not in ANTHROPIC.chat("claude-opus-5-5", ASK, Habits(frozenset({"effort"})))[1]
    assert "output_config" not in ANTHROPIC.chat("claude-sonnet-4-5", ASK, Habits())[1]
    assert "thinkingConfig" not in GEMINI.chat("gemini-2.0-flash", ASK, Habits())[1]["generationConfig"]


def test_messages_without_text_are_left_out_where_they_are_not_taken() -> None:
    messages = (*ASK.messages, ChatMessage(Role.ASSISTANT, " "), ChatMessage(Role.USER, "Again."))
    _, body = ANTHROPIC.chat(
        "any", replace(ASK, messages=messages, temperature=1.7, stop=("\n", "END")), Habits()
    )
    assert [message["content"] for message in body["messages"]] == ["a member has loans", "Again."]
    assert body["system"] == "You draw diagrams."
    assert (body["temperature"], body["stop_sequences"]) == (1.0, ["END"])


@pytest.mark.parametrize(
    ("refusal", "learned"),
    [
        ("`temperature` is deprecated for this model.", {"temperature"}),
        ("Unsupported value: 'temperature' does not support 0 with this model.", {"temperature"}),
        ("stream_options: Extra inputs are not permitted", {"stream_options"}),
        ("Unrecognized request argument supplied: reasoning_effort", set()),
        ("your message is not nice", set()),
    ],
)
def test_parameters_that_were_sent_and_are_complained_of_are_left_out(
    refusal: str, learned: set[str]
) -> None:
    known = KnownHabits(OTHERS.optional, OTHERS.forms, OTHERS.held, alike=True)
    _, body = OTHERS.chat("any", ASK, Habits())
    assert known.learn("any", None, body, refusal) is bool(learned)
    assert known.of("any", None).without == learned
    assert not known.learn("any", None, {}, refusal)
    assert known.of("another", None).without == frozenset()


@pytest.mark.parametrize(
    "refusal",
    [
        "max_tokens is too large: 100000. This model supports at most 16384 completion tokens.",
        "max_tokens: 100000 > 16384, which is the maximum allowed number of output tokens for claude-3-5-sonnet",
    ],
)
def test_so_many_tokens_as_a_model_can_say_are_asked_for(refusal: str) -> None:
    known = KnownHabits(OTHERS.optional, OTHERS.forms, OTHERS.held, alike=True)
    _, body = OTHERS.chat("any", replace(ASK, max_tokens=100_000), Habits())
    assert known.learn("any", None, body, refusal)
    assert known.of("any", None).tokens(100_000) == 16_384
    assert known.of("any", None).tokens(50) == 50


@pytest.mark.parametrize(
    "refusal",
    [
        "The provided JSON schema contains features that are not supported by xgrammar.",
        "Invalid schema for response_format 'answer': In context=('properties', 'a'), 'x' is not permitted.",
        "JSON schema conversion failed: unrecognized type nonsense",
    ],
)
def test_one_schema_that_is_not_taken_does_not_speak_for_the_others(refusal: str) -> None:
    known = KnownHabits(OTHERS.optional, OTHERS.forms, OTHERS.held, alike=True)
    for form in (1, 2, 3):
        assert known.learn("any", SCHEMA, {}, refusal)
        assert known.of("any", SCHEMA).form == form
        assert known.of("any", {"type": "object"}).form == 0
    assert not known.learn("any", SCHEMA, {}, refusal)
    assert known.knows_schemas


@pytest.mark.parametrize(
    "refusal",
    [
        "This response_format type is unavailable now",
        "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
        "response_format: Extra inputs are not permitted",
    ],
)
@pytest.mark.parametrize("alike", [True, False])
def test_a_model_that_takes_no_schemas_is_asked_with_none_of_them(refusal: str, alike: bool) -> None:
    known = KnownHabits(OTHERS.optional, OTHERS.forms, OTHERS.held, alike=alike)
    for _ in range(2):
        assert known.knows_schemas
        assert known.learn("any", SCHEMA, {}, refusal)
    assert known.of("any", {"type": "object"}).form == 2
    assert known.of("another", {"type": "object"}).form == 0
    assert known.knows_schemas is not alike


@pytest.mark.parametrize("number", [10**400, -1, 1 << 80])
def test_counts_that_nobody_can_count_to_are_refused(number: int) -> None:
    with pytest.raises(BadProviderAnswer):
        Fields("p").count({"tokens": number}, "tokens")


@pytest.mark.parametrize("number", [10**400, -(10**400), 1e39, float("nan"), float("inf")])
def test_vectors_of_numbers_that_overflow_are_refused(number: float) -> None:
    with pytest.raises(BadProviderAnswer):
        Fields("p").vector({"embedding": [0.5, number]}, "embedding")
