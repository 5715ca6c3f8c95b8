"""Conversations through the order of models: until the first word the next one may answer, after it nobody else."""

from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import pytest
from engine_strategies import plays, price, routes
from hypothesis import given, settings
from played_models import Step, World, route
from simulated_time import now, simulated

from hone_contracts.registry import Budget, Route
from hone_generator.chat.engine import ChatQuestion, Piece
from hone_generator.engine.chat import Chat
from hone_generator.engine.errors import NoAnswer
from hone_generator.providers.base import Capabilities, ChatMessage, FinishReason, Role
from hone_generator.providers.errors import ProviderError, ProviderUnavailable, RateLimited, StreamBroken

DOWN = ProviderUnavailable("played", "refused")
CUT = StreamBroken("played", "cut")
HELLO = ChatQuestion("default", (ChatMessage(Role.USER, "Hello"),))


def chat_of(world: World, chosen: Route) -> Chat:
    async def resolved(_model: str) -> Route:
        return chosen

    return Chat(
        {"played": world.local, "cloud": world.cloud}, world.circuits, resolved, world.price, now, lambda: 0.5
    )


async def said(world: World, chosen: Route, question: ChatQuestion = HELLO) -> list[Piece]:
    async with aclosing(chat_of(world, chosen)(question)) as pieces:
        return [piece async for piece in pieces]


def test_the_first_model_that_speaks_answers() -> None:
    world = World({"a": [Step(error=DOWN)], "b": [Step("Hello you")]})
    pieces = simulated(said(world, route("a", "b")))
    assert "".join(piece.text for piece in pieces) == "Hello you"
    assert {piece.model for piece in pieces} == {"played:b"}
    assert pieces[-1].finish_reason is FinishReason.STOP and pieces[-1].usage is not None
    assert len(world.local.asked("a")) == 3


def test_an_answer_that_broke_off_is_told_and_not_begun_anew() -> None:
    world = World({"a": [Step("Hello you", CUT)], "b": [Step("Hi")]})
    heard: list[str] = []

    async def listen() -> None:
        async with aclosing(chat_of(world, route("a", "b"))(HELLO)) as pieces:
            async for piece in pieces:
                heard.append(piece.text)  # noqa: PERF401 (what was heard before it broke off counts)

    with pytest.raises(StreamBroken):
        simulated(listen())
    assert heard == ["Hell"]
    assert world.local.asked("b") == []


def test_when_nobody_speaks_each_attempt_is_listed() -> None:
    world = World({"a": [Step(error=DOWN)]})
    with pytest.raises(NoAnswer) as failure:
        simulated(said(world, route("a", "cloud:x", attempts_per_model=2)))
    assert [each.error_code for each in failure.value.attempts] == [
        "unavailable",
        "unavailable",
        "cloud_not_allowed",
    ]


def test_what_chats_learn_of_a_model_the_next_chat_knows() -> None:
    world = World({"a": [Step(error=DOWN)], "b": [Step("Hi")]})

    async def twice() -> float:
        await said(world, route("a", "b"))
        began = now()
        await said(world, route("a", "b"))
        return now() - began

    assert simulated(twice()) < 0.2
    assert len(world.local.asked("a")) == 3


def test_a_chat_is_told_when_to_ask_again_rather_than_kept_waiting() -> None:
    world = World(
        {"a": [Step(error=RateLimited("played", 120))], "b": [Step(error=RateLimited("played", 40))]}
    )

    async def twice() -> list[NoAnswer]:
        failures = []
        for _ in range(2):
            with pytest.raises(NoAnswer) as failure:
                await said(world, route("a", "b"))
            failures.append(failure.value)
        assert now() < 1001
        return failures

    limited, left_alone = simulated(twice())
    assert (limited.body().code, limited.retry_after_s) == ("rate_limited", 40)
    assert left_alone.body().code == "circuit_open" and 39 < (left_alone.retry_after_s or 0) <= 40


def test_a_model_trained_for_one_form_is_not_chatted_with() -> None:
    world = World({"starter": [Step("[]")], "b": [Step("Hi")]})
    pieces = simulated(said(world, route("starter", "b", reading="passages")))
    assert {piece.model for piece in pieces} == {"played:b"}


@pytest.mark.parametrize(
    "steps", [[Step("Hi", first_s=5000)], [Step("Hi there", middle_s=5000)]], ids=["silent", "stalls"]
)
def test_the_deadline_ends_it(steps: Sequence[Step]) -> None:
    world = World({"a": steps})

    async def timed() -> float:
        began = now()
        with pytest.raises((NoAnswer, Exception), match="10 s were over; allow it a longer deadline"):
            await said(world, route("a", budget=Budget(deadline_s=10)))
        return now() - began

    assert 10 <= simulated(timed()) < 11
    assert world.local.stopped == 1


def test_who_stops_listening_stops_the_model() -> None:
    world = World({"a": [Step("Hello you", middle_s=100)]})

    async def leave() -> None:
        async with aclosing(chat_of(world, route("a"))(HELLO)) as pieces:
            await anext(pieces)

    simulated(leave())
    assert world.local.stopped == 1


def test_what_the_question_says_of_its_answer_is_kept() -> None:
    world = World({"a": [Step("Hi")]}, capabilities=Capabilities())
    question = ChatQuestion(
        "default",
        HELLO.messages,
        max_tokens=7,
        temperature=0.9,
        seed=5,
        stop=("END",),
        answer_schema={"type": "array"},
    )
    simulated(said(world, route("a", temperature=0.1), question))
    (_, request), *_ = world.local.requests
    assert (request.max_tokens, request.temperature, request.seed, request.stop) == (7, 0.9, 5, ("END",))
    assert request.constraint is None and '{"type":"array"}' in request.messages[0].content


def test_the_tokens_of_the_budget_bound_the_answer() -> None:
    world: Any = World({"a": [Step("Hi")]})
    simulated(said(world, route("a", budget=Budget(max_tokens=100))))
    assert 0 < world.local.requests[0][1].max_tokens < 100


@settings(max_examples=150, deadline=None)
@given(plays, routes())
def test_a_chat_is_one_models_words_to_the_end_or_an_error_in_time(
    plays: dict[str, Sequence[Step]], chosen: Route
) -> None:
    world = World(plays, price=price)
    heard: list[Piece] = []

    async def listen() -> Exception | None:
        began = now()
        try:
            async with aclosing(chat_of(world, chosen)(HELLO)) as pieces:
                async for piece in pieces:
                    heard.append(piece)  # noqa: PERF401 (what was heard before it broke off counts)
        except (NoAnswer, ProviderError) as error:
            return error
        finally:
            # Its deadline; then a model may be slow to stop, and whoever listens has its own patience.
            assert now() - began <= chosen.budget.deadline_s + 31
        return None

    error = simulated(listen())
    text = "".join(piece.text for piece in heard)
    text.encode()
    assert len({piece.model for piece in heard if piece.text}) <= 1
    if error is None:
        assert heard and heard[-1].finish_reason is not None
    if isinstance(error, NoAnswer):
        assert not text
        assert error.attempts
    if not chosen.cloud:
        assert world.cloud.requests == []
