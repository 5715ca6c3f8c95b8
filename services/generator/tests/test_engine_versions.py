"""Versions of models: each is asked as its provider knows it, says which it is, and its champion stands by."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from played_models import Numbers, Step, World, route
from simulated_time import simulated

from hone_contracts.ids import new_id
from hone_contracts.registry import CanaryVersion, PromptVersion, Route, RouteModel, Turn
from hone_generator.artifacts.kind import Brief
from hone_generator.artifacts.prompting import whole_messages
from hone_generator.canaries import chosen, falls_to
from hone_generator.chat.engine import ChatQuestion
from hone_generator.engine.chat import Chat
from hone_generator.providers.base import ChatMessage, Role
from hone_generator.providers.errors import ContextTooLong, ProviderUnavailable
from hone_generator.routing import Router

SYSTEM = whole_messages("question 0", Brief("x"))[0].content
TURNS = (Turn(role="user", content="an example"), Turn(role="assistant", content="its answer"))
GONE = Step(error=ProviderUnavailable("played", "killed"))


def prompt(**more: Any) -> PromptVersion:
    return PromptVersion(**({"reading": "whole", "system": SYSTEM, "turns": TURNS} | more))


def with_canary(share: float = 1.0, **more: Any) -> Route:
    canary = CanaryVersion(version=2, served_by="played:m2", share=share)
    return route("m", model_sha256="11", canary=canary, **more)


def roles(world: World, model: str, number: int = 0) -> list[str]:
    return [message.role.value for message in world.local.asked(model)[number].messages]


def test_a_version_is_asked_by_the_name_that_its_provider_knows_and_told_by_the_models() -> None:
    world = World({"m3": [Step("90")]})
    made = simulated(world.generate(route("m", served_by="played:m3", version=3)))
    assert (made.model, made.version) == ("played:m", 3)
    assert [(each.model, each.version) for each in made.attempts] == [("played:m", 3)]
    assert [name for name, _ in world.local.requests] == ["m3"]


@pytest.mark.parametrize(
    "kept", [{}, {"model_sha256": "00"}, {"served_by": "played:m"}, {"prompt": prompt()}]
)
@pytest.mark.parametrize("version", [1, 4])
def test_a_version_is_told_of_models_that_the_registry_keeps(kept: dict[str, Any], version: int) -> None:
    made = simulated(World({"m": [Step("90")]}).generate(route("m", version=version, **kept)))
    assert made.version == made.attempts[0].version == (version if kept or version > 1 else None)


@pytest.mark.parametrize("share", [1e-9, 1.0])
def test_a_champion_beside_a_canary_says_its_version_whatever_it_is(share: float) -> None:
    """Ollama's own models have no digest of ours: without that, nothing could be compared with their canary."""
    world = World({"m": [Step("90")], "m2": [GONE]})
    own = route("m", canary=CanaryVersion(version=2, served_by="played:m2", share=share))
    made = simulated(world.generate(chosen(own, new_id("job"))))
    assert (made.model, made.version) == ("played:m", 1)


def test_what_is_not_asked_says_its_version_too() -> None:
    world = World({"m": [Step("90")]})
    first = RouteModel(model="nowhere:x", served_by="nowhere:x2", version=2)
    made = simulated(world.generate(route("nowhere:x", "m", served_by=first.served_by, version=2)))
    assert [(each.outcome, each.version) for each in made.attempts] == [("skipped", 2), ("answered", None)]


def test_a_canary_that_fails_costs_nobody_the_answer() -> None:
    world = World({"m": [Step("90")], "m2": [GONE]})
    made = simulated(world.generate(chosen(with_canary(), new_id("job"))))
    assert (made.model, made.version, made.accepted) == ("played:m", 1, True)
    tried = [(each.version, each.outcome) for each in made.attempts]
    assert tried == [(2, "failed")] * 3 + [(1, "answered")]


def test_a_canary_that_fails_opens_its_own_circuit_and_not_the_champions() -> None:
    world = World({"m": [Step("90")], "m2": [GONE]})

    async def thrice() -> None:
        for _ in range(3):
            await world.generate(chosen(with_canary(), new_id("job")))

    simulated(thrice())
    assert world.circuits._circuits.keys() == {"played:m2"}


def test_an_answer_of_the_canary_that_is_too_bad_is_compared_with_the_champions() -> None:
    world = World({"m": [Step("70")], "m2": [Step("30")]})
    made = simulated(world.generate(chosen(with_canary(attempts_per_model=1), new_id("job"))))
    assert (made.content, made.version) == ("70", 1)


@given(st.floats(0.01, 1.0), st.integers(0, 100), st.integers(0, 100), st.booleans())
def test_a_request_is_answered_by_exactly_one_version_and_says_which(
    share: float, champion: int, canary: int, broken: bool
) -> None:
    world = World({"m": [Step(str(champion))], "m2": [GONE if broken else Step(str(canary))]})
    own, job = with_canary(share, attempts_per_model=1), new_id("job")
    made = simulated(world.generate(chosen(own, job)))
    assert own.canary is not None
    first = 2 if falls_to(own.canary, "played:m", job) else 1
    assert made.attempts[0].version == first
    best = [each for each in made.attempts if each.score == made.score and each.version == made.version]
    assert best and made.content == str(champion if made.version == 1 else canary)
    assert first == 2 or {name for name, _ in world.local.requests} == {"m"}


def test_examples_stand_between_the_instructions_and_the_question() -> None:
    world = World({"m": [Step("90")]})
    made = simulated(world.generate(route("m", prompt=prompt(), version=2)))
    messages = world.local.asked("m")[0].messages
    assert [each.role for each in messages] == [Role.SYSTEM, Role.USER, Role.ASSISTANT, Role.USER]
    assert [each.content for each in messages[1:3]] == ["an example", "its answer"]
    assert messages[0].content == SYSTEM and "Make it high." in messages[3].content
    assert made.version == 2


def test_a_question_that_mends_an_answer_keeps_the_examples() -> None:
    world = World({"m": [Step("30"), Step("90")]})
    simulated(world.generate(route("m", prompt=prompt())))
    assert roles(world, "m", 1) == ["system", "user", "assistant", "user", "assistant", "user"]
    assert world.local.asked("m")[1].messages[4].content == "30"


def test_of_a_version_that_holds_its_examples_only_the_question_is_sent() -> None:
    world = World({"m2": [Step("30"), Step("90")]})
    baked = prompt(baked=True)
    made = simulated(world.generate(route("m", served_by="played:m2", prompt=baked, version=2)))
    assert roles(world, "m2") == ["user"]
    assert roles(world, "m2", 1) == ["user", "assistant", "user"]
    assert (made.version, made.accepted) == (2, True)


def test_what_the_provider_adds_counts_into_the_budget() -> None:
    long = (Turn(role="user", content="x" * 3000), Turn(role="assistant", content="y" * 3000))
    budget = {"budget": {"deadline_s": 60, "max_tokens": 5000}}
    room = {}
    for baked in (False, True):
        world = World({"m": [Step("90")]})
        simulated(world.generate(route("m", prompt=prompt(turns=long, baked=baked, system=SYSTEM), **budget)))
        room[baked] = world.local.asked("m")[0].max_tokens
    plain = World({"m": [Step("90")]})
    simulated(plain.generate(route("m", **budget)))
    assert room[False] == room[True] == plain.local.asked("m")[0].max_tokens - 2000


def test_examples_of_other_instructions_are_left_out_and_the_artifact_says_so() -> None:
    world = World({"m": [Step("90")]})
    made = simulated(world.generate(route("m", prompt=prompt(system="the old ones"), version=2)))
    assert roles(world, "m") == ["system", "user"]
    assert made.version == 2 and "other instructions" in made.reasons[-1]


def test_a_version_that_holds_examples_of_other_instructions_is_not_asked_but_its_model() -> None:
    world = World({"m": [Step("90")]})
    old = prompt(system="the old ones", baked=True)
    made = simulated(world.generate(route("m", served_by="played:m2", prompt=old, version=2)))
    assert [name for name, _ in world.local.requests] == ["m"]
    assert roles(world, "m") == ["system", "user"]
    assert made.version == 2 and "other instructions" in made.reasons[-1]


def test_what_a_model_is_told_to_mend_says_nothing_of_versions() -> None:
    world = World({"m": [Step("30"), Step("90")]})
    simulated(world.generate(route("m", prompt=prompt(system="the old ones"))))
    assert "instructions" not in world.local.asked("m")[1].messages[-1].content


@pytest.mark.parametrize("baked", [False, True])
def test_examples_of_another_reading_are_left_out(baked: bool) -> None:
    world = World({"m": [Step("90")], "m2": [Step("0")]})
    other = prompt(reading="passages_schema", baked=baked)
    served = {"served_by": "played:m2"} if baked else {}
    simulated(world.generate(route("m", prompt=other, **served)))
    assert roles(world, "m") == ["system", "user"]


@pytest.mark.parametrize("baked", [False, True])
def test_a_question_too_long_with_the_examples_is_asked_without_them_before_it_goes_by_passages(
    baked: bool,
) -> None:
    too_long = Step(error=ContextTooLong("played:m", 9000, 4096))
    plays = {"m2": [too_long], "m": [too_long, Step("90")] if baked else [too_long, too_long, Step("90")]}
    world = World(plays, kind=Numbers("whole", "passages_schema"))
    served = {"served_by": "played:m2"} if baked else {}
    made = simulated(world.generate(route("m", prompt=prompt(baked=baked), version=2, **served)))
    asked = [(name, len(request.messages)) for name, request in world.local.requests]
    assert asked == ([("m2", 1), ("m", 2), ("m", 2)] if baked else [("m", 4), ("m", 2), ("m", 2)])
    assert made.ir == {"reading": "passages_schema"} and made.version == 2


@pytest.mark.parametrize("baked", [False, True])
def test_a_chat_meets_no_examples(baked: bool) -> None:
    world = World({"m": [Step("Hello.")], "m2": [Step("no")]})
    served = {"served_by": "played:m2"} if baked else {}
    chosen_route = route("m", prompt=prompt(baked=baked), version=2, **served)

    async def resolve(_model: str) -> Route:
        return chosen_route

    async def said() -> str:
        chat = Chat(world.engine.providers, world.circuits, resolve, now=world.engine.now)
        question = ChatQuestion("default", (ChatMessage(Role.SYSTEM, SYSTEM), ChatMessage(Role.USER, "Hi")))
        return "".join([piece.text async for piece in chat(question)])

    assert simulated(said()) == "Hello."
    assert roles(world, "m") == ["system", "user"]


def test_a_version_alone_is_asked_by_the_types_rules() -> None:
    """As an evaluation does."""

    class Table:
        def resolve(self, _type: Any) -> Route | None:
            return with_canary(threshold=77, fallbacks=({"model": "played:f"},))

        def resolve_default(self) -> Route | None:
            return None

    own = with_canary()
    assert own.canary is not None
    alone = Router(Table(), {}).alone(own.artifact_type, "played:m", "whole", own.canary)  # type: ignore[arg-type]
    assert [(each.model, each.version, each.served_by) for each in alone.local_models] == [
        ("played:m", 2, "played:m2")
    ]
    assert alone.threshold == 77 and alone.canary is None
