"""Models that are down, silent, limited or filtered: waited for, left alone, or passed over for the next."""

from typing import Any

import pytest
from played_models import Numbers, Step, World, models_of, route
from simulated_time import now, simulated

from hone_contracts.registry import Budget
from hone_generator.engine.errors import NoAnswer
from hone_generator.memory.errors import DoesNotFit
from hone_generator.providers.base import FinishReason
from hone_generator.providers.errors import (
    ModelNotFound,
    ProviderUnavailable,
    RateLimited,
    StreamBroken,
)

DOWN = ProviderUnavailable("played", "connection refused")
CUT = StreamBroken("played", "the connection was cut")


def test_a_model_that_is_not_there_is_not_asked_twice() -> None:
    world = World({"a": [Step(error=ModelNotFound("a"))], "b": [Step("80")]})
    artifact = simulated(world.generate(route("a", "b")))
    assert [(each.outcome, each.error_code) for each in artifact.attempts] == [
        ("failed", "model_not_found"),
        ("answered", None),
    ]


def test_a_provider_that_is_down_is_tried_again_after_a_moment() -> None:
    world = World({"a": [Step(error=DOWN), Step("80")], "b": [Step("99")]})
    artifact = simulated(world.generate(route("a", "b")))
    assert models_of(artifact) == ["a", "a"]
    assert artifact.accepted


def test_a_transport_failure_is_no_bad_answer_and_repairs_nothing() -> None:
    world = World({"a": [Step("50"), Step(error=DOWN), Step("70")]})
    artifact = simulated(world.generate(route("a")))
    assert [each.kind for each in artifact.attempts] == ["first", "repair", "repair"]
    assert world.local.requests[1][1].messages == world.local.requests[2][1].messages


def test_a_stream_that_dies_midway_restarts_on_the_next_model_and_the_client_sees_it() -> None:
    world = World({"a": [Step("half an answer", CUT)], "b": [Step("80")]})
    artifact = simulated(world.generate(route("a", "b")))
    assert models_of(artifact) == ["a", "b"]
    told = dict(world.heard.told)
    assert "broke off" in told["restarting"] and "played:b" in told["restarting"]
    assert world.heard.stages.index("token") < world.heard.stages.index("restarting")


def test_a_question_that_was_answered_before_the_connection_broke_is_not_asked_again() -> None:
    world = World(
        {"a": [Step("1"), Step(error=DOWN), Step("80")]}, kind=Numbers("passages_schema", questions=2)
    )
    artifact = simulated(world.generate(route("a", reading="passages_schema")))
    assert (artifact.score, len(world.local.requests)) == (80, 3)


def test_a_rate_limit_is_waited_for_as_long_as_the_provider_says() -> None:
    world = World({"a": [Step(error=RateLimited("played", 7)), Step("80")]})

    async def timed() -> tuple[Any, float]:
        began = now()
        return await world.generate(route("a")), now() - began

    artifact, took_s = simulated(timed())
    assert artifact.accepted and 7 <= took_s < 9
    assert any(stage == "waiting" and "7" in message for stage, message in world.heard.told)


def test_a_rate_limit_longer_than_patience_sends_to_the_next_model() -> None:
    world = World({"a": [Step(error=RateLimited("played", 600)), Step("80")], "b": [Step("70")]})
    artifact = simulated(world.generate(route("a", "b")))
    assert models_of(artifact) == ["a", "b"]


def test_while_a_circuit_is_open_the_model_is_skipped_at_once() -> None:
    world = World({"a": [Step(error=DOWN)], "b": [Step("80")]})

    async def twice() -> Any:
        await world.generate(route("a", "b"))
        began = now()
        second = await world.generate(route("a", "b"))
        return second, now() - began

    artifact, took_s = simulated(twice())
    assert [(each.outcome, each.error_code) for each in artifact.attempts] == [
        ("skipped", "circuit_open"),
        ("answered", None),
    ]
    assert took_s < 0.2


def test_a_request_with_nothing_else_to_ask_waits_a_moment_for_the_circuit() -> None:
    world = World({"a": [Step("80")]})
    world_route = route("a")

    async def left_alone() -> Any:
        permit = world.circuits.admit("played:a")
        world.circuits.failed(permit, retry_after_s=2)
        return await world.generate(world_route)

    artifact = simulated(left_alone())
    assert [each.outcome for each in artifact.attempts] == ["skipped", "answered"]


def test_all_models_down_is_a_failure_that_lists_each_attempt() -> None:
    world = World({"a": [Step(error=DOWN)], "b": [Step(error=ModelNotFound("b"))]})
    with pytest.raises(NoAnswer) as failure:
        simulated(world.generate(route("a", "b", "gemini:x", cloud=False)))
    attempts = failure.value.attempts
    assert [(each.model, each.outcome) for each in attempts] == [
        *[("played:a", "failed")] * 3,
        ("played:b", "failed"),
        ("gemini:x", "skipped"),
    ]
    body = failure.value.body()
    assert "\n" not in body.detail
    for told in ("played:a (3 times)", "connection refused", "played:b", "no provider gemini"):
        assert told in body.detail


@pytest.mark.parametrize("finish", [FinishReason.REFUSED])
def test_an_answer_that_the_providers_filter_ended_is_left_to_the_next_model(finish: FinishReason) -> None:
    world = World({"a": [Step("90", finish=finish)], "b": [Step("70")]})
    artifact = simulated(world.generate(route("a", "b")))
    assert [each.error_code for each in artifact.attempts] == ["filtered", None]


def test_an_endless_answer_is_stopped_and_the_next_model_asked() -> None:
    world = World({"a": [Step("9" * 400_000)], "b": [Step("70")]})
    artifact = simulated(world.generate(route("a", "b")))
    assert [each.error_code for each in artifact.attempts] == ["answer_too_long", None]


def test_an_answer_that_was_cut_off_is_said_to_be() -> None:
    world = World({"a": [Step("50", finish=FinishReason.LENGTH), Step("70")]})
    simulated(world.generate(route("a")))
    assert "cut off" in world.local.requests[1][1].messages[-1].content


def test_a_model_without_room_is_skipped_and_its_circuit_hears_nothing() -> None:
    no_room = DoesNotFit("a", 4096, 2**34, 2**33)
    world = World({"a": [Step(error=no_room)], "b": [Step("80")]})

    async def often() -> Any:
        for _ in range(5):
            artifact = await world.generate(route("a", "b"))
        return artifact

    artifact = simulated(often())
    assert [(each.outcome, each.error_code) for each in artifact.attempts] == [
        ("skipped", "does_not_fit"),
        ("answered", None),
    ]


def test_a_model_that_is_slow_to_stop_does_not_hold_up_the_answer() -> None:
    world = World({"a": [Step("50"), Step("90", first_s=100, stops_in_s=60)]})

    async def timed() -> float:
        began = now()
        await world.generate(route("a", budget=Budget(deadline_s=10)))
        return now() - began

    assert simulated(timed()) < 11
