"""Both versions answer the same prompts, and each answer has its figures. In simulated time."""

import asyncio
import subprocess
import sys
from typing import Any

import sacrebleu
from played_models import Step, World, route
from simulated_time import simulated

from hone_contracts.artifacts import ValidatorResult
from hone_contracts.evaluation import HeldOutItem, PairFigures
from hone_generator.artifacts.kind import Link, Name, Outline, Subject
from hone_generator.evaluation.answering import GIVEN_UP_AFTER, Answering, Side
from hone_generator.evaluation.likeness import likeness
from hone_generator.providers.errors import ModelNotFound, ProviderUnavailable

GONE = Step(error=ProviderUnavailable("played", "killed"))


class Read:
    """The numbers as validators that compare texts see them: each word a type, `a-b` a relation."""

    def __init__(self, content: str) -> None:
        self._words = content.split()

    def outline(self) -> Outline:
        links = [word.split("-") for word in self._words if "-" in word]
        names = tuple(Name(word, "type") for word in self._words if "-" not in word)
        return Outline(names, links=tuple(Link(one, other) for one, other in links))


class Worlds(World):
    def __post_init__(self) -> None:
        super().__post_init__()
        self.kind.read = lambda subject: Read(subject.content)

    def answering(self, **more: Any) -> Answering:
        champion = Side(route("m", version=1, model_sha256="11", **more))
        challenger = Side(route("m", version=2, served_by="played:m2", **more))
        return Answering(self.engine, self.kind, champion, challenger)

    @property
    def asked_in_order(self) -> list[str]:
        return [name for name, _ in self.local.requests]


def item(**more: Any) -> HeldOutItem:
    return HeldOutItem(**({"item": "i", "requirements": "Make it high."} | more))


def pairs(world: Worlds, *items: HeldOutItem, **more: Any) -> list[PairFigures]:
    """In real time where texts are compared, which a thread does."""

    async def run() -> list[PairFigures]:
        answering = world.answering(**more)
        return [
            await answering.pair(each, challenger_first=number % 2 == 1) for number, each in enumerate(items)
        ]

    return asyncio.run(run()) if any(each.reference for each in items) else simulated(run())


def test_each_version_has_its_own_figures_of_one_prompt() -> None:
    world = Worlds({"m": [Step("70", first_s=2.0)], "m2": [Step("90", first_s=0.5)]})
    (pair,) = pairs(world, item(group="g", corrected=True))
    assert (pair.item, pair.group, pair.corrected) == ("i", "g", True)
    assert (pair.champion.score, pair.challenger.score) == (70, 90)
    assert (pair.champion.latency_ms, pair.challenger.latency_ms) == (2000, 500)
    assert (pair.champion.tokens, pair.champion.error) == (15, None)


def test_answers_are_compared_with_the_reference_and_nothing_without_one() -> None:
    world = Worlds({"m": [Step("a b a-b")], "m2": [Step("a b")]}, judged=_always)
    first, second = pairs(world, item(reference="a b a-b"), item())
    assert (first.champion.relations_f1, first.champion.overall_f1) == (1, 1)
    assert first.challenger.relations_f1 == 0
    assert second.champion.overall_f1 is second.champion.relations_f1 is None
    assert (first.champion.bleu, first.champion.chrf) == (100, 100)
    assert 0 < (first.challenger.bleu or 0) < 100 and 0 < (first.challenger.chrf or 0) < 100
    assert second.champion.bleu is second.champion.chrf is None


def test_wordings_are_compared_as_sacrebleu_does_and_any_text_can_be() -> None:
    reference = "CREATE TABLE book (\n  book_id int PRIMARY KEY,\n  created_at timestamp\n);"
    other = "CREATE TABLE books (\n  id int PRIMARY KEY\n);"
    assert likeness(reference, reference) == (100, 100)
    far, near = likeness("x", reference), likeness(other, reference)
    assert far.bleu < near.bleu < 100 and far.chrf < near.chrf < 100
    assert near.bleu == round(sacrebleu.sentence_bleu(other, [reference], use_effective_order=True).score, 2)
    assert near.chrf == round(sacrebleu.sentence_chrf(other, [reference]).score, 2)
    for hostile in ("", " ", "\x00", "\ud800", "a" * 20_000, "1,2." * 5000, "({[" * 5000):
        for one, two in ((hostile, reference), (reference, hostile), (hostile, hostile)):
            assert all(0 <= each <= 100 for each in likeness(one, two))


def test_nothing_but_an_evaluation_loads_what_compares_wordings() -> None:
    code = (
        "import sys, hone_generator.app, hone_generator.evaluation.handler; print('sacrebleu' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.strip() == "False"


def test_who_goes_first_changes_with_each_prompt() -> None:
    world = Worlds({"m": [Step("70")], "m2": [Step("90")]})
    pairs(world, item(), item(), item())
    assert world.asked_in_order == ["m", "m2", "m2", "m", "m", "m2"]


def test_a_prompt_that_has_no_answer_is_that_answers_figures_and_no_others() -> None:
    missing = Step(error=ModelNotFound("played:m2"))
    world = Worlds({"m": [Step("70")], "m2": [Step("90"), missing, Step("90")]})
    first, second, third = pairs(world, item(), item(), item())
    assert (first.challenger.score, third.challenger.score) == (90, 90)
    assert second.champion.score == 70
    assert second.challenger.score is None and "m2" in (second.challenger.error or "")


def test_a_prompt_with_options_that_there_are_not_asks_nobody() -> None:
    world = Worlds({"m": [Step("70")], "m2": [Step("90")]})
    (pair,) = pairs(world, item(options={"dialect": "oracle"}))
    assert "dialect" in (pair.champion.error or "") and "dialect" in (pair.challenger.error or "")
    assert world.asked_in_order == []


def test_a_bug_that_one_prompt_meets_loses_no_other() -> None:
    world = Worlds({"m": [Step("70")], "m2": [Step("90")]})

    def broken(subject: Subject) -> Read:
        if subject.content == "boom":
            raise RecursionError
        return Read(subject.content)

    world.kind.read = broken
    first, second = pairs(world, item(reference="boom"), item(reference="70"))
    assert "unexpected" in (first.champion.error or "") and first.champion.score is None
    assert second.champion.overall_f1 == 1


def test_a_version_that_is_gone_is_not_waited_for_again_and_again() -> None:
    world = Worlds({"m": [Step("70")], "m2": [Step(error=ModelNotFound("played:m2"))]})
    found = pairs(world, *(item(item=str(number)) for number in range(20)))
    assert world.asked_in_order.count("m2") == GIVEN_UP_AFTER
    assert all(each.champion.score == 70 and each.challenger.error for each in found)
    assert "not asked" in (found[-1].challenger.error or "")


def test_errors_are_short_enough_to_travel_together() -> None:
    world = Worlds({"m": [Step(error=ProviderUnavailable("played", "x\n\ud800" * 5000))], "m2": [GONE]})
    (pair,) = pairs(world, item(), attempts_per_model=1)
    assert len(pair.champion.error or "") <= 200
    assert pair.model_dump_json()


def test_both_are_loaded_before_anything_is_measured() -> None:
    world = Worlds({"m": [GONE, Step("70")], "m2": [Step("10"), Step("90")]})

    async def warm() -> Answering:
        answering = world.answering()
        await answering.warm_up(item(requirements="x" * 5000))
        return answering

    answering = simulated(warm())
    assert world.asked_in_order == ["m", "m2"]  # once, whatever came of it
    assert "x" * 301 not in world.local.requests[0][1].messages[-1].content
    assert answering.champion.failed_in_a_row == answering.challenger.answered == 0


def test_a_cancelled_evaluation_stops_the_model() -> None:
    world = Worlds({"m": [Step("70", first_s=1000)], "m2": [Step("90")]})

    async def run() -> None:
        task = asyncio.create_task(world.answering().pair(item(), challenger_first=False))
        await asyncio.sleep(1)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()

    simulated(run())
    assert world.local.stopped == 1


async def _always(kind: Any, subject: Any, tools: Any) -> Any:
    return [
        ValidatorResult(name="syntax", score=100, passed=True),
        ValidatorResult(name="structure", score=100, passed=True),
    ]
