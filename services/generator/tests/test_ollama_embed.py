"""Vectors of texts, by models of Ollama that are made for it."""

from collections.abc import Iterator

import pytest
from fake_ollama import FakeOllama, serving
from gpu_scene import answer, making_room, model
from simulated_cards import SimulatedCards

from hone_contracts.models import ModelRef
from hone_generator.providers.errors import BadProviderAnswer, ContextTooLong, RequestRefused


@pytest.fixture
def cards() -> SimulatedCards:
    return SimulatedCards(12)


@pytest.fixture
def fake(cards: SimulatedCards) -> Iterator[FakeOllama]:
    with serving(FakeOllama(cards=cards)) as fake:
        yield fake


EMBEDDER = ModelRef("ollama", "embed")


async def test_texts_become_vectors_on_a_model_that_only_does_that(
    fake: FakeOllama, cards: SimulatedCards
) -> None:
    fake.add(model("embed", 1, capabilities=("embedding",)))
    async with making_room(fake, cards=cards) as provider:
        assert provider.capabilities.embeddings
        vectors = await provider.embed(EMBEDDER, ["one", "three", ""])
        assert [vector[0] for vector in vectors] == [3.0, 5.0, 0.0]
        assert await provider.embed(EMBEDDER, []) == []
        assert fake.loads == [("embed:latest", 4096)]
        assert fake.embeds[-1]["truncate"] is False
        with pytest.raises(RequestRefused, match="513 texts"):
            await provider.embed(EMBEDDER, ["x"] * 513)


async def test_a_text_that_is_too_long_to_be_read_is_an_error_and_not_cut(
    fake: FakeOllama, cards: SimulatedCards
) -> None:
    fake.add(model("embed", 1, capabilities=("embedding",), context_length=512))
    async with making_room(fake, cards=cards) as provider:
        with pytest.raises(ContextTooLong):
            await provider.embed(EMBEDDER, ["short", "long " * 1000])


async def test_vectors_make_room_as_answers_do(fake: FakeOllama, cards: SimulatedCards) -> None:
    fake.add(model("a"), model("embed", 4, capabilities=("embedding",)))
    async with making_room(fake, cards=cards) as provider:
        await answer(provider, "a")
        await provider.embed(EMBEDDER, ["one"])
    assert fake.unloads == ["a:latest"]


async def test_more_vectors_than_texts_are_a_bad_answer(fake: FakeOllama, cards: SimulatedCards) -> None:
    fake.add(model("garbage-embed", 1, capabilities=("embedding",)))
    async with making_room(fake, cards=cards) as provider:
        with pytest.raises(BadProviderAnswer, match="2 vectors for 1 texts"):
            await provider.embed(ModelRef("ollama", "garbage-embed"), ["one"])
