"""Circuits: closed, open, half-open; who is let in and who is not."""

import asyncio

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from played_models import Step, World, route
from simulated_time import simulated

from hone_generator.engine.circuits import CircuitOpen, Circuits, Permit, State


class Clock:
    s = 0.0

    def __call__(self) -> float:
        return self.s


def opened(clock: Clock) -> Circuits:
    circuits = Circuits(clock, failures_to_open=3, open_s=15)
    for _ in range(3):
        circuits.failed(circuits.admit("m"))
    return circuits


def test_it_opens_after_failures_in_a_row_and_not_before() -> None:
    circuits = Circuits(Clock(), failures_to_open=3)
    for _ in range(2):
        circuits.failed(circuits.admit("m"))
    circuits.succeeded(circuits.admit("m"))
    for _ in range(2):
        circuits.failed(circuits.admit("m"))
    assert circuits.state("m") is State.CLOSED
    circuits.failed(circuits.admit("m"))
    assert circuits.state("m") is State.OPEN
    with pytest.raises(CircuitOpen, match="15 s"):
        circuits.admit("m")


def test_models_have_circuits_of_their_own() -> None:
    circuits = opened(Clock())
    circuits.admit("another")
    assert circuits.state("another") is State.CLOSED


def test_when_its_time_is_over_one_request_probes_and_the_others_are_still_refused() -> None:
    clock = Clock()
    circuits = opened(clock)
    clock.s = 15
    probe = circuits.admit("m")
    with pytest.raises(CircuitOpen, match="another request"):
        circuits.admit("m")
    circuits.succeeded(probe)
    assert circuits.state("m") is State.CLOSED
    circuits.admit("m")


def test_a_probe_that_fails_leaves_it_alone_twice_as_long() -> None:
    clock = Clock()
    circuits = opened(clock)
    clock.s = 15
    circuits.failed(circuits.admit("m"))
    with pytest.raises(CircuitOpen) as refused:
        circuits.admit("m")
    assert refused.value.for_s == 30


def test_a_probe_that_was_cancelled_lets_another_one_in() -> None:
    clock = Clock()
    circuits = opened(clock)
    clock.s = 15
    circuits.released(circuits.admit("m"))
    assert circuits.admit("m").probe


def test_requests_under_way_when_it_opened_do_not_keep_it_open_for_longer() -> None:
    clock = Clock()
    circuits = Circuits(clock, failures_to_open=3, open_s=15)
    permits = [circuits.admit("m") for _ in range(40)]
    for permit in permits:
        circuits.failed(permit)
    with pytest.raises(CircuitOpen) as refused:
        circuits.admit("m")
    assert refused.value.for_s == 15


def test_a_provider_that_says_how_long_is_left_alone_that_long_at_once() -> None:
    clock = Clock()
    circuits = Circuits(clock)
    circuits.failed(circuits.admit("m"), retry_after_s=4)
    clock.s = 3.9
    with pytest.raises(CircuitOpen):
        circuits.admit("m")
    clock.s = 4
    assert circuits.admit("m").probe


def test_what_is_told_is_each_change() -> None:
    clock, told = Clock(), []
    circuits = Circuits(clock, failures_to_open=1, told=lambda _model, state: told.append(state))
    circuits.failed(circuits.admit("m"))
    clock.s = 100
    circuits.succeeded(circuits.admit("m"))
    circuits.succeeded(circuits.admit("m"))
    assert told == [State.OPEN, State.HALF_OPEN, State.CLOSED]


def test_requests_that_name_ever_new_models_fill_no_memory() -> None:
    circuits = Circuits(Clock())
    for number in range(5000):
        circuits.failed(circuits.admit(f"m{number}"))
    assert len(circuits._circuits) <= 1000


def test_a_request_that_is_cancelled_in_its_probe_lets_the_next_one_probe() -> None:
    world = World({"a": [Step("80", first_s=50), Step("80")]})

    async def cancelled() -> State:
        world.circuits.failed(world.circuits.admit("played:a"), retry_after_s=1)
        await asyncio.sleep(2)
        task = asyncio.create_task(world.generate(route("a")))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait({task})
        await world.generate(route("a"))
        return world.circuits.state("played:a")

    assert simulated(cancelled()) is State.CLOSED


class CircuitMachine(RuleBasedStateMachine):
    """Requests come, end in any way, and time passes."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.circuits = Circuits(self.clock, failures_to_open=3, open_s=10, most_open_s=40)
        self.under_way: list[Permit] = []

    @rule()
    def come(self) -> None:
        before = self.circuits.state("m")
        try:
            permit = self.circuits.admit("m")
        except CircuitOpen as refused:
            assert before is not State.CLOSED
            assert refused.for_s <= 40.001
        else:
            assert permit.probe == (before is State.HALF_OPEN)
            self.under_way.append(permit)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), how=st.sampled_from(["succeeded", "failed", "released", "limited"]))
    def go(self, data: st.DataObject, how: str) -> None:
        permit = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        if how == "limited":
            self.circuits.failed(permit, data.draw(st.sampled_from([0.0, 5.0, 1000.0])))
        else:
            getattr(self.circuits, how)(permit)

    @rule(seconds=st.sampled_from([0.1, 9.9, 10.0, 50.0]))
    def wait(self, seconds: float) -> None:
        self.clock.s += seconds

    @invariant()
    def it_never_stays_shut_for_ever(self) -> None:
        """With nobody under way, at the latest when the longest time is over, somebody is let in."""
        if not any(permit.probe for permit in self.under_way):
            later, now = self.clock.s + 40, self.clock.s
            self.clock.s = later
            self.circuits.released(self.circuits.admit("m"))
            self.clock.s = now


CircuitMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestCircuitMachine = CircuitMachine.TestCase
