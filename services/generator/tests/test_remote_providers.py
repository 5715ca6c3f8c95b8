"""OpenAI, Anthropic and Gemini, when all goes well: what is asked, what comes back, and that it stops when told."""

import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

import pytest
from fake_upstream import PROSE, FakeUpstream
from fake_upstream_wire import Answer
from remote_cases import ASK, KEY, PROTOCOLS, Protocol, asking, chunks, text_of

from hone_contracts.models import ModelRef
from hone_generator.providers.base import ChatMessage, FinishReason, Gbnf, JsonSchema, Role
from hone_generator.providers.errors import RequestRefused
from hone_generator.providers.openai_wire import OpenAIWire
from hone_generator.providers.remote_provider import RemoteProvider

SCHEMA = {
    "type": "object",
    "properties": {"entities": {"type": "array", "items": {"type": "string"}, "minItems": 1}},
    "required": ["entities"],
    "additionalProperties": False,
}
HELD = replace(ASK, constraint=JsonSchema(SCHEMA))


@pytest.fixture
async def upstream() -> AsyncIterator[FakeUpstream]:
    async with FakeUpstream() as upstream:
        yield upstream


@pytest.fixture(params=PROTOCOLS)
def protocol(request: pytest.FixtureRequest) -> Protocol:
    found: Protocol = request.param
    return found


async def test_an_answer_comes_in_pieces_with_its_counts_at_the_end(
    upstream: FakeUpstream, protocol: Protocol
) -> None:
    async with asking(upstream, protocol) as provider:
        said = await chunks(provider, "gpt-4.1")
    assert text_of(said) == PROSE
    assert len(said) > 5
    assert [chunk.finish_reason for chunk in said] == [None] * (len(said) - 1) + [FinishReason.STOP]
    usage = said[-1].usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (13, 15)


async def test_the_question_arrives_as_it_was_put(upstream: FakeUpstream, protocol: Protocol) -> None:
    request = replace(
        ASK,
        messages=(*ASK.messages, ChatMessage(Role.ASSISTANT, "{}"), ChatMessage(Role.USER, "Mend it.")),
        temperature=0.3,
        stop=("END",),
    )
    async with asking(upstream, protocol) as provider:
        await chunks(provider, "any", request)
    (asked,) = upstream.asked("any")
    assert [text for _, text in asked.messages] == [
        "You draw diagrams.",
        "a member has loans",
        "{}",
        "Mend it.",
    ]
    assert asked.messages[0][0] == "system"
    assert asked.messages[2][0] in {"assistant", "model"}
    assert (asked.max_tokens, asked.temperature, asked.stop) == (50, 0.3, ("END",))


@pytest.mark.parametrize("size_bytes", [1, 7, 1000])
async def test_how_the_network_cuts_the_stream_does_not_matter(protocol: Protocol, size_bytes: int) -> None:
    upstream = FakeUpstream(pieces_of=size_bytes, answer=lambda _: "größer 🐝 and so on")
    async with upstream, asking(upstream, protocol) as provider:
        assert text_of(await chunks(provider, "any")) == "größer 🐝 and so on"


@pytest.mark.parametrize(
    ("model", "finish"),
    [
        ("refuses", FinishReason.REFUSED),
        ("cut-short", FinishReason.LENGTH),
        ("keep-alive", FinishReason.STOP),
    ],
)
async def test_how_an_answer_ended_is_told(
    upstream: FakeUpstream, protocol: Protocol, model: str, finish: FinishReason
) -> None:
    async with asking(upstream, protocol) as provider:
        said = await chunks(provider, model)
    assert (text_of(said), said[-1].finish_reason) == (PROSE, finish)


async def test_counts_that_do_not_come_are_not_made_up(upstream: FakeUpstream, protocol: Protocol) -> None:
    async with asking(upstream, protocol) as provider:
        said = await chunks(provider, "no-usage")
    last = said[-1]
    assert last.finish_reason is FinishReason.STOP
    # Anthropic counts the prompt before it begins, and the answer with every event that has counts.
    assert last.usage is None or (protocol == "anthropic" and last.usage.completion_tokens == 1)


async def test_an_answer_is_held_to_a_schema(upstream: FakeUpstream, protocol: Protocol) -> None:
    async with asking(upstream, protocol) as provider:
        assert provider.capabilities.json_schema
        said = json.loads(text_of(await chunks(provider, "any", HELD)))
    assert said == {"entities": [""]}
    (asked,) = upstream.asked()
    assert asked.schema is not None
    assert asked.schema["required"] == ["entities"]


async def test_a_model_that_knows_no_schemas_is_told_in_words_from_then_on(
    upstream: FakeUpstream, protocol: Protocol
) -> None:
    upstream.answers["no-schema"] = '{"entities": ["Loan"]}'
    async with asking(upstream, protocol) as provider:
        assert text_of(await chunks(provider, "no-schema", HELD)) == '{"entities": ["Loan"]}'
        learned = len(upstream.asked())
        assert learned > 1
        await chunks(provider, "no-schema", HELD)
        assert len(upstream.asked()) == learned + 1
    last = upstream.asked()[-1]
    assert last.schema is None
    assert '"entities"' in last.messages[0][1] or '"entities"' in last.messages[1][1]


async def test_what_a_model_does_not_take_is_left_out_from_then_on(
    upstream: FakeUpstream, protocol: Protocol
) -> None:
    async with asking(upstream, protocol) as provider:
        assert text_of(await chunks(provider, "no-temperature")) == PROSE
        assert text_of(await chunks(provider, "no-temperature")) == PROSE
        assert text_of(await chunks(provider, "another")) == PROSE
    assert [asked.temperature for asked in upstream.asked()] == [0.0, None, None, 0.0]


@pytest.mark.parametrize("original", [True, False])
@pytest.mark.parametrize(
    ("model", "wanted"), [("old-tokens", "max_tokens"), ("new-tokens", "max_completion_tokens")]
)
async def test_the_length_of_an_answer_is_told_as_the_model_wants_it(
    upstream: FakeUpstream, original: bool, model: str, wanted: str
) -> None:
    provider = RemoteProvider(
        OpenAIWire(original=original), upstream.openai_url, None, "", local=True, key_needed=False
    )
    assert text_of(await chunks(provider, model)) == PROSE
    first = len(upstream.asked())
    assert text_of(await chunks(provider, model)) == PROSE
    await provider.aclose()
    assert len(upstream.asked()) == first + 1
    assert first <= 2
    assert upstream.asked()[-1].body[wanted] == 50


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
async def test_an_answer_gets_the_room_that_the_prompt_leaves(
    upstream: FakeUpstream, protocol: Protocol
) -> None:
    async with asking(upstream, protocol) as provider:
        assert text_of(await chunks(provider, "little-room", replace(ASK, max_tokens=8192))) == PROSE
        assert text_of(await chunks(provider, "little-room")) == PROSE
    assert [asked.max_tokens for asked in upstream.asked()] == [8192, 87, 50]


async def test_closing_an_answer_stops_the_model(upstream: FakeUpstream, protocol: Protocol) -> None:
    async with asking(upstream, protocol) as provider:
        async with aclosing(provider.generate(ModelRef(provider.name, "endless"), ASK)) as said:
            assert (await anext(said)).text
        while not upstream.gone:
            await upstream.someone_left.wait()
    assert upstream.gone == 1


async def test_models_and_health(protocol: Protocol) -> None:
    upstream = FakeUpstream(keys={protocol: KEY}, models=("good", "fast:latest"))
    async with upstream, asking(upstream, protocol) as provider:
        names = [str(model.ref) for model in await provider.models()]
        health = await provider.health()
    assert names == [f"{protocol}:fast:latest", f"{protocol}:good"]
    assert health.ok
    assert "2 models, and takes the key" in health.detail


async def test_a_grammar_or_nothing_to_answer_is_refused_before_anything_is_sent(
    upstream: FakeUpstream, protocol: Protocol
) -> None:
    async with asking(upstream, protocol) as provider:
        deep: dict[str, object] = {}
        for _ in range(5_000):
            deep = {"type": "array", "items": deep}
        for request in (
            replace(ASK, constraint=Gbnf("root ::= [a-z]")),
            replace(ASK, constraint=JsonSchema(deep)),
            replace(ASK, messages=()),
        ):
            with pytest.raises(RequestRefused):
                await chunks(provider, "any", request)
    assert not upstream.requests


@pytest.mark.parametrize("protocol", ["openai", "gemini"])
async def test_embeddings_are_one_vector_a_text_in_their_order(
    upstream: FakeUpstream, protocol: Protocol
) -> None:
    texts = [f"text {i}" for i in range(300)]
    async with asking(upstream, protocol) as provider:
        assert provider.capabilities.embeddings
        model = ModelRef(provider.name, "text-embedding")
        vectors = await provider.embed(model, texts)
        assert len(vectors) == 300
        assert list(vectors[299]) == list((await provider.embed(model, ["text 299"]))[0])
    assert len(upstream.requests) == {"openai": 3, "gemini": 4}[protocol]


async def test_anthropic_has_no_embeddings(upstream: FakeUpstream) -> None:
    async with asking(upstream, "anthropic") as provider:
        assert not provider.capabilities.embeddings
        with pytest.raises(RequestRefused, match="no embeddings"):
            await provider.embed(ModelRef("anthropic", "any"), ["a"])


async def test_a_name_cannot_lead_elsewhere_on_the_server(upstream: FakeUpstream) -> None:
    async with asking(upstream, "gemini") as provider:
        await chunks(provider, "../../v1/files?key=x#y")
    assert upstream.asked()[0].model == "../../v1/files?key=x#y"


async def test_an_answer_may_be_long_and_of_one_piece(upstream: FakeUpstream, protocol: Protocol) -> None:
    upstream.answers["long-one"] = Answer("x" * 500_000).text
    async with asking(upstream, protocol) as provider:
        assert len(text_of(await chunks(provider, "long-one"))) == 500_000
