"""Identical requests in flight: computed once, told to everyone, and nobody's end is another's."""

import asyncio
from typing import Any

import pytest
from played_models import Heard, Step, World, route
from simulated_time import simulated

from hone_contracts.artifacts import Artifact, ArtifactType
from hone_contracts.generation import GenerateArtifact
from hone_contracts.ids import new_id
from hone_contracts.registry import Budget
from hone_generator.engine.errors import NoAnswer
from hone_generator.engine.inflight import Inflight, key_of
from hone_generator.engine.telling import Audience

SLOW = Step("80" * 20, first_s=1, middle_s=10)


class Requests:
    """Several who ask the same of one world."""

    def __init__(self, *steps: Step) -> None:
        self.world = World({"a": steps})
        self.inflight = Inflight()
        self.route = route("a", attempts_per_model=1)

    async def ask(self, heard: Heard | None = None, key: str = "k") -> Artifact:
        async def compute(audience: Audience) -> Artifact:
            return await self.world.engine.generate(self.world.request(self.route), audience)

        return await self.inflight.answer(key, heard or Heard(), compute)

    @property
    def calls(self) -> int:
        return len(self.world.local.requests)


def test_the_work_is_done_once_and_everyone_has_an_artifact_of_their_own() -> None:
    async def all_at_once() -> tuple[list[Artifact], Requests]:
        requests = Requests(SLOW)
        return await asyncio.gather(*(requests.ask() for _ in range(5))), requests

    made, requests = simulated(all_at_once())
    assert requests.calls == 1
    assert len({each.artifact_id for each in made}) == 5
    assert len({each.content for each in made}) == 1


def test_what_differs_is_computed_for_itself() -> None:
    async def two() -> Requests:
        requests = Requests(SLOW)
        await asyncio.gather(requests.ask(key="k"), requests.ask(key="another"))
        return requests

    assert simulated(two()).calls == 2


def test_when_it_is_done_the_next_request_is_computed_anew() -> None:
    async def one_after_the_other() -> Requests:
        requests = Requests(SLOW)
        await requests.ask()
        await requests.ask()
        return requests

    assert simulated(one_after_the_other()).calls == 2


def test_the_first_ones_end_does_not_end_the_others() -> None:
    async def first_leaves() -> tuple[Artifact, Requests]:
        requests = Requests(SLOW)
        first = asyncio.create_task(requests.ask())
        await asyncio.sleep(2)
        second = asyncio.create_task(requests.ask())
        await asyncio.sleep(2)
        first.cancel()
        await asyncio.wait({first})
        return await second, requests

    artifact, requests = simulated(first_leaves())
    assert artifact.content and requests.calls == 1 and requests.world.local.stopped == 0


def test_when_nobody_is_left_the_model_is_stopped() -> None:
    async def all_leave() -> Requests:
        requests = Requests(SLOW)
        tasks = [asyncio.create_task(requests.ask()) for _ in range(3)]
        await asyncio.sleep(2)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert requests.world.local.stopped == 1  # before the loop's end would stop it anyway
        return requests

    requests = simulated(all_leave())
    assert requests.inflight._shared == {}


def test_a_failure_is_everyones() -> None:
    async def fail() -> list[Any]:
        requests = Requests(Step("50", first_s=5000))
        requests.route = route("a", budget=Budget(deadline_s=3))
        return [*await asyncio.gather(requests.ask(), requests.ask(), return_exceptions=True)]

    assert [type(each) for each in simulated(fail())] == [NoAnswer, NoAnswer]


def test_who_joins_late_hears_where_it_stands_and_all_of_the_text() -> None:
    async def join_late() -> tuple[Heard, Heard]:
        requests, first, late = Requests(SLOW), Heard(), Heard()
        task = asyncio.create_task(requests.ask(first))
        await asyncio.sleep(5)
        await asyncio.gather(task, requests.ask(late))
        return first, late

    first, late = simulated(join_late())
    assert late.text == first.text == "80" * 20
    assert (first.stages[0], late.stages[0]) == ("started", "reading")


def test_the_key_is_of_what_is_asked_and_by_whom_and_of_nothing_else() -> None:
    plain = {"artifact_type": ArtifactType.OPENAPI, "requirements": "A member."}
    of_job = GenerateArtifact(correlation_id=new_id("job"), **plain)
    again = GenerateArtifact(correlation_id=new_id("job"), **plain)
    own = key_of(of_job, route("a"))
    assert key_of(again, route("a")) == own
    different: list[dict[str, Any]] = [
        {"tenant": "another"},
        {"requirements": "A member has loans."},
        {"artifact_type": ArtifactType.SQL_DDL},
        {"context_text": "class Member"},
        {"options": {"dialect": "sqlite"}},
        {"model": "played:a"},
        {"budget": Budget(max_tokens=5)},
    ]
    keys = {key_of(of_job.model_copy(update=change), route("a")) for change in different}
    assert len(keys | {own, key_of(of_job, route("b"))}) == len(different) + 2


def test_the_audience_hears_everything_in_its_order_whoever_is_slow() -> None:
    class Slow(Heard):
        async def token(self, stage: str, text: str) -> None:
            await asyncio.sleep(0.5)
            await super().token(stage, text)

    async def write() -> tuple[Heard, Heard]:
        audience, slow, quick = Audience(), Slow(), Heard()
        await audience.join(slow)
        await audience.join(quick)
        for number in range(40):
            await audience.write(f"{number} ")
            await asyncio.sleep(0.01)
        await audience("validating")
        return slow, quick

    for heard in simulated(write()):
        assert heard.text == "".join(f"{number} " for number in range(40))
        assert heard.stages[-1] == "validating"


def test_text_comes_in_pieces_of_time_and_not_of_tokens() -> None:
    async def write() -> Heard:
        audience, heard = Audience(), Heard()
        await audience.join(heard)
        for _ in range(1000):
            await audience.write("x")
            await asyncio.sleep(0.001)
        await audience.flush()
        return heard

    heard = simulated(write())
    assert heard.text == "x" * 1000
    assert heard.stages.count("token") < 50


def test_a_model_that_stops_writing_keeps_nothing_back() -> None:
    async def write() -> str:
        audience, heard = Audience(), Heard()
        await audience.join(heard)
        await audience.write("first ")
        await audience.write("second")
        await asyncio.sleep(1)
        return heard.text

    assert simulated(write()) == "first second"


@pytest.mark.parametrize("stage", ["restarting", "repairing", "next model", "asking again"])
def test_the_text_of_an_attempt_that_is_void_is_not_told_to_who_joins_later(stage: str) -> None:
    async def write() -> str:
        audience, late = Audience(), Heard()
        await audience.write("void")
        await audience(stage)
        await audience.write("new")
        await audience.join(late)
        return late.text

    assert simulated(write()) == "new"
