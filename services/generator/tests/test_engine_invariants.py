"""What the engine promises, whatever the providers do: random models, random trouble, in simulated time."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from engine_strategies import plays, price, routes
from hypothesis import given, settings
from hypothesis import strategies as st
from played_models import Numbers, Step, World
from simulated_time import now, simulated

from hone_contracts.artifacts import Artifact, Attempt
from hone_contracts.registry import Route
from hone_generator.canaries import chosen
from hone_generator.engine.errors import NoAnswer
from hone_generator.engine.plan import version_of

pytestmark = pytest.mark.slow

kinds = st.sampled_from([("whole",), ("whole", "passages_schema"), ("passages", "passages_schema")])


@settings(max_examples=400, deadline=None)
@given(plays, st.lists(routes(), min_size=1, max_size=3), kinds, st.booleans())
def test_the_engine_keeps_its_promises_whatever_the_providers_do(
    plays: dict[str, Sequence[Step]], asked: list[Route], readings: Any, at_once: bool
) -> None:
    """Several requests share the circuits, one after the other or at the same time."""
    world = World(plays, kind=Numbers(*readings), price=price)
    asked = [chosen(each, "job_any") for each in asked]

    async def timed(each: Route) -> tuple[Route, Artifact | NoAnswer, float]:
        began = now()
        try:
            made: Artifact | NoAnswer = await world.generate(each)
        except NoAnswer as nothing:
            made = nothing
        return each, made, now() - began

    async def all_of_them() -> list[tuple[Route, Artifact | NoAnswer, float]]:
        if at_once:
            return await asyncio.gather(*map(timed, asked))
        return [await timed(each) for each in asked]

    ended = simulated(all_of_them())
    for each, made, took_s in ended:
        assert took_s <= each.budget.deadline_s + 1
        check_attempts(each, made.attempts, everyone=not (isinstance(made, Artifact) and made.accepted))
        if isinstance(made, Artifact):
            check_answer(each, made)
        else:
            assert not any(attempt.outcome == "answered" for attempt in made.attempts)
    every = [attempt for _, made, _ in ended for attempt in made.attempts]
    calls = len(world.local.requests) + len(world.cloud.requests)
    # Every question that went to a model is in an attempt, and no attempt is made up.
    assert calls == sum(attempt.outcome != "skipped" for attempt in every)
    if not any(each.cloud for each in asked):
        assert world.cloud.requests == []


def check_answer(asked: Route, made: Artifact) -> None:
    answers = [attempt for attempt in made.attempts if attempt.outcome == "answered"]
    best = max(answers, key=lambda each: (_accepted(asked, each), each.score or 0))
    assert made.score == best.score
    passed = all(each.passed for each in made.validators if each.name == "syntax")
    assert made.accepted == (made.score >= asked.threshold and passed)
    who = (made.model, made.version, made.validators)
    assert any((each.model, each.version, each.validators) == who for each in answers)
    if made.accepted and asked.best_of == 1:
        first = next(each for each in answers if _accepted(asked, each))
        assert first is made.attempts[-1]  # it ended the search


def _accepted(asked: Route, attempt: Attempt) -> bool:
    return (attempt.score or 0) >= asked.threshold and _passed(attempt)


def _passed(attempt: Attempt) -> bool:
    return all(each.passed for each in attempt.validators if each.name == "syntax")


def check_attempts(asked: Route, attempts: Sequence[Attempt], everyone: bool) -> None:
    """``everyone``: no answer was accepted, so that every version of every model of the route must have had its
    turn."""
    assert [attempt.number for attempt in attempts] == list(range(1, len(attempts) + 1))
    tried = Counter((each.model, each.version) for each in attempts if each.outcome != "skipped")
    assert all(count <= asked.attempts_per_model + asked.best_of - 1 for count in tried.values())
    local = [(each.model, version_of(each)) for each in asked.local_models]
    own = {model for model, _ in local}
    cloud = asked.cloud_models if asked.cloud else ()
    planned = [*local, *((model, None) for model in cloud if model not in own)]
    seen = list(dict.fromkeys((attempt.model, attempt.version) for attempt in attempts))
    in_order = list(dict.fromkeys(planned))
    assert seen == (in_order if everyone else in_order[: len(seen)])
    for attempt in attempts:
        assert (attempt.score is not None) == (attempt.outcome == "answered")
        assert bool(attempt.error and attempt.error_code) == (attempt.outcome != "answered")
        if attempt.model.startswith("cloud:") and not asked.cloud:
            assert attempt.error_code == "cloud_not_allowed"
    spent = sum(each.prompt_tokens + each.completion_tokens for each in attempts[:-1])
    if asked.budget.max_tokens is not None and attempts[-1].outcome != "skipped":
        assert spent < asked.budget.max_tokens
