"""What is asked of Ollama: options, constraints, and a context for the prompt and the answer."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest
from fake_ollama import FakeOllama, serving
from fake_ollama_model import FakeModel
from gpu_scene import ASK, answer, making_room
from running import until
from simulated_cards import SimulatedCards

from hone_generator.providers.base import ChatMessage, GenerationRequest, JsonSchema, Role
from hone_generator.providers.errors import ContextTooLong, GenerationTimeout


@pytest.fixture
def fake() -> Iterator[FakeOllama]:
    with serving(FakeOllama()) as fake:
        yield fake


async def test_what_is_sent(fake: FakeOllama) -> None:
    fake.add(FakeModel("thinker", capabilities=("completion", "thinking"), parameters='stop   "<|im_end|>"'))
    fake.add(FakeModel("oss", capabilities=("completion", "thinking"), family="gptoss"), "plain")
    schema = {"type": "object"}
    messages = (ChatMessage(Role.SYSTEM, "Read."), ChatMessage(Role.USER, "lone surrogate \ud800"))
    request = GenerationRequest(
        messages, 77, temperature=0.5, seed=3, constraint=JsonSchema(schema), stop=("END", "<|im_end|>")
    )
    async with making_room(fake, cards=SimulatedCards()) as provider:
        for model in ("thinker", "oss", "plain"):
            await answer(provider, model, request)
    thinker, oss, plain = fake.chats
    assert thinker["options"] == {
        "temperature": 0.5, "seed": 3, "num_predict": 77, "num_ctx": 4096, "repeat_penalty": 1.0,
        "stop": ["<|im_end|>", "END"],
    }  # fmt: skip
    assert (thinker["think"], oss["think"], "think" in plain) == (False, "low", False)
    assert thinker["format"] == schema
    assert thinker["keep_alive"] == 600
    assert thinker["truncate"] is thinker["shift"] is False
    assert [message["role"] for message in thinker["messages"]] == ["system", "user"]
    assert plain["options"]["stop"] == ["END", "<|im_end|>"]


@pytest.mark.parametrize(("vocabulary", "context_tokens"), [(261, 16_384), (150_000, 8192)])
async def test_the_context_grows_with_the_prompt_and_does_not_shrink_while_loaded(
    fake: FakeOllama, vocabulary: int, context_tokens: int
) -> None:
    fake.add(FakeModel("good", vocabulary=vocabulary))
    long = replace(ASK, messages=(ChatMessage(Role.USER, "loans " * 2000),))
    async with making_room(fake, cards=SimulatedCards()) as provider:
        for request in (ASK, long, ASK, long):
            await answer(provider, "good", request)
    assert fake.loads == [("good:latest", 4096), ("good:latest", context_tokens)]


async def test_what_a_models_own_messages_take_is_counted(fake: FakeOllama) -> None:
    shot = {"role": "user", "content": "books " * 1000}
    fake.add(FakeModel("few-shot", messages=(shot,), system="Read."))
    async with making_room(fake, cards=SimulatedCards()) as provider:
        await answer(provider, "few-shot")
        await answer(provider, "few-shot")
    assert fake.loads == [("few-shot:latest", 8192)]
    assert fake.shows == 1


async def test_a_model_that_was_made_anew_is_looked_at_anew(fake: FakeOllama) -> None:
    fake.add("good")
    async with making_room(fake, cards=SimulatedCards()) as provider:
        await answer(provider, "good")
        fake.add(FakeModel("good", digest="1" * 64, capabilities=("completion", "thinking")))
        await answer(provider, "good")
    assert fake.shows == 2
    assert fake.chats[-1]["think"] is False


@pytest.mark.parametrize("truncates", [False, True])
async def test_a_prompt_beyond_the_models_context_is_too_long_for_old_and_new_servers(
    fake: FakeOllama, truncates: bool
) -> None:
    fake.truncates = truncates
    long = replace(ASK, messages=(ChatMessage(Role.USER, "loans " * 500),))
    fake.add(FakeModel("small", context_length=512))
    async with making_room(fake, cards=SimulatedCards()) as provider:
        with pytest.raises(ContextTooLong) as refusal:
            await answer(provider, "small", long)
    assert refusal.value.context_tokens == 512
    assert refusal.value.prompt_tokens > 512


async def test_a_first_token_may_take_longer_while_other_answers_are_written(fake: FakeOllama) -> None:
    """Waiting for the requests before this one does not count."""
    fake.add("held-1", "a")
    soon = replace(ASK, first_token_s=0.3)
    async with making_room(fake, cards=SimulatedCards()) as provider:
        held = asyncio.create_task(answer(provider, "held-1"))
        await until(lambda: fake.active.total() == 1)
        fake.before_chat_s = 0.5
        assert await answer(provider, "a", soon)
        fake.gate.set()
        await held
        with pytest.raises(GenerationTimeout):
            await answer(provider, "a", soon)
