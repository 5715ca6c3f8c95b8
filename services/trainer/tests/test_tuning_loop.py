"""The loop and the supervised recipe, on tiny models: what a step depends on, and what an interruption changes."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from tuning_parts import FAMILIES, Family, make_base, rows, write_rows

from hone_trainer.tuning.base import load_model, load_tokenizer, with_adapter
from hone_trainer.tuning.checkpoints import Checkpoints, Identity
from hone_trainer.tuning.data.batches import MicroBatch, Step, plan
from hone_trainer.tuning.data.tokenised import Tokenised, tokenise
from hone_trainer.tuning.distributed import Group
from hone_trainer.tuning.errors import Cancelled, Diverged, NothingTrained
from hone_trainer.tuning.loop import Loop, Measured
from hone_trainer.tuning.settings import Decided, Layer, resolve
from hone_trainer.tuning.sft import Supervised
from hone_trainer.tuning.train import make_repeatable

SMALL = {
    "rank": 4, "learning_rate": 1e-3, "batch": 8, "epochs": 2.0, "micro_tokens": 256, "most_tokens": 256,
    "packing": False, "eval_every": 3, "save_every": 1, "device": "cpu", "dtype": "fp32", "four_bit": False,
    "checkpointing": False, "threads": 1,
}  # fmt: skip


@dataclass
class Bench:
    """A base with its data, and loops over it."""

    base: Path
    train: Tokenised
    held_out: Tokenised
    pad_id: int

    def settings(self, **more: Any) -> Decided:
        return resolve("lora", Layer("set", SMALL | more)).decided()

    def loop(
        self, folder: Path, settings: Decided, wrap: Callable[[Supervised], Any] = lambda recipe: recipe
    ) -> Loop:
        make_repeatable(settings)
        model = with_adapter(load_model(self.base, "cpu", "fp32"), settings, self.base)
        steps = plan(
            self.train.lengths, batch=settings.batch, micro_tokens=settings.micro_tokens,
            packed=settings.packing, epochs=settings.epochs, seed=settings.seed,
        )  # fmt: skip
        recipe = wrap(Supervised(self.train, self.held_out, settings, self.pad_id))
        identity = Identity(data="d", base="b", settings={}, seed=1, world=1, versions={})
        checkpoints = Checkpoints(folder, identity, 100)
        return Loop(
            model=model, recipe=recipe, plan=steps, lengths=self.train.lengths.tolist(), settings=settings,
            checkpoints=checkpoints, group=Group(),
        )  # fmt: skip


def trained(loop: Loop, asked: Callable[[], str] = lambda: "") -> tuple[list[Measured], dict[str, Tensor]]:
    told: list[Measured] = []
    loop.run(told.append, asked)
    return told, {name: each.detach().clone() for name, each in loop._trained.items()}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return make_bench(tmp_path_factory.mktemp("bench"), "llama")


def make_bench(folder: Path, family: Family) -> Bench:
    base = make_base(folder / "base", family)
    reading = load_tokenizer(base)
    both = [
        tokenise(
            write_rows(folder / f"{name}.jsonl", some), reading, kind="sft", most_tokens=256,
            cache=folder / "cache",
        )
        for name, some in (("train", rows(24)), ("held_out", rows(6, seed=5)))
    ]  # fmt: skip
    return Bench(base, both[0], both[1], reading.pad_id)


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_learns(bench: Bench, tmp_path: Path) -> None:
    loop = bench.loop(tmp_path, bench.settings(epochs=6.0, eval_every=6, learning_rate=0.02, force=True))
    told, _ = trained(loop)
    first = loop._checkpoints  # the untrained model was measured before the first step
    assert first.newest() is not None
    assert told[-1].figures["loss"] < told[0].figures["loss"] - 0.15
    assert loop.course.best_loss < told[0].figures["loss"]


@pytest.mark.slow
@pytest.mark.parametrize("step", range(1, 6))
def test_a_run_resumed_at_any_step_is_the_same_run(bench: Bench, tmp_path: Path, step: int) -> None:
    settings = bench.settings(dropout=0.1)
    whole_told, whole = trained(bench.loop(tmp_path / "whole", settings))
    taken = 0

    def ends_at_the_step() -> str:
        nonlocal taken
        taken += 1
        return "end" if taken > step else ""

    with pytest.raises(Cancelled):
        trained(bench.loop(tmp_path / "broken", settings), ends_at_the_step)
    told, resumed = trained(bench.loop(tmp_path / "broken", settings))
    assert told[0].step == step + 1
    assert [each.figures["loss"] for each in told] == [each.figures["loss"] for each in whole_told[step:]]
    assert same(whole, resumed)


@pytest.mark.parametrize("family", FAMILIES)
def test_one_micro_batch_of_eight_is_eight_of_one(family: Family, tmp_path: Path) -> None:
    bench = make_bench(tmp_path, family)
    at_once, _ = trained(bench.loop(tmp_path / "1", bench.settings(micro_tokens=4096)))
    one_by_one, _ = trained(bench.loop(tmp_path / "8", bench.settings(micro_tokens=32)))
    for one, other in zip(at_once, one_by_one, strict=True):
        assert one.figures["loss"] == pytest.approx(other.figures["loss"], abs=2e-5)
        assert one.figures["gradient_norm"] == pytest.approx(other.figures["gradient_norm"], rel=1e-3)


@pytest.mark.parametrize("family", FAMILIES)
def test_packed_rows_lose_nothing(family: Family, tmp_path: Path) -> None:
    bench = make_bench(tmp_path, family)
    apart, _ = trained(bench.loop(tmp_path / "apart", bench.settings()))
    packed, _ = trained(bench.loop(tmp_path / "packed", bench.settings(packing=True)))
    for one, other in zip(apart, packed, strict=True):
        assert one.figures["loss"] == pytest.approx(other.figures["loss"], abs=2e-5)


class Poisoned:
    """A recipe of which some steps' losses are no numbers."""

    def __init__(self, recipe: Supervised, poisoned: Callable[[Step], bool], what: float) -> None:
        self._recipe, self._poisoned, self._what, self._now = recipe, poisoned, what, False

    def begin_step(self, model: Any, step: Step) -> None:
        self._now = self._poisoned(step)

    def total(self, step: Step) -> float:
        return self._recipe.total(step)

    def loss(self, model: Any, micro: MicroBatch) -> tuple[Tensor, dict[str, float]]:
        loss, more = self._recipe.loss(model, micro)
        return (loss * self._what, more) if self._now else (loss, more)

    def held_out(self, model: Any) -> dict[str, float]:
        return self._recipe.held_out(model)


@pytest.mark.parametrize("what", [math.nan, math.inf])
def test_a_step_that_is_not_finite_is_not_taken(bench: Bench, tmp_path: Path, what: float) -> None:
    """Once poisoned, the third step goes back to the checkpoint before it, and is taken with half the rate."""
    settings = bench.settings()
    left = iter([False, False, True])
    loop = bench.loop(tmp_path, settings, lambda recipe: Poisoned(recipe, lambda _: next(left, False), what))
    told, weights = trained(loop)
    clean = bench.loop(tmp_path / "clean", settings)
    clean_told, _ = trained(clean)
    assert [each.step for each in told] == list(range(1, 7))
    assert told[2].figures["loss"] == clean_told[2].figures["loss"]
    assert told[2].figures["learning_rate"] == pytest.approx(clean_told[2].figures["learning_rate"] / 2)
    assert loop.course.rollbacks == 1
    assert all(bool(torch.isfinite(each).all()) for each in weights.values())


def test_a_run_that_is_never_finite_ends_with_its_weights_untouched(bench: Bench, tmp_path: Path) -> None:
    loop = bench.loop(tmp_path, bench.settings(), lambda recipe: Poisoned(recipe, lambda _: True, math.nan))
    before = {name: each.detach().clone() for name, each in loop._trained.items()}
    with pytest.raises(Diverged, match="step 1 of 6, also after going back 2 times"):
        loop.run(lambda _: None, lambda: "")
    assert same(before, dict(loop._trained))


def test_a_run_that_is_stopped_before_it_began_has_nothing_to_keep(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(NothingTrained, match="stopped before its first step"):
        bench.loop(tmp_path, bench.settings()).run(lambda _: None, lambda: "stop")


def test_a_run_that_only_got_worse_ships_nothing(bench: Bench, tmp_path: Path) -> None:
    class Worse(Poisoned):
        def __init__(self, recipe: Supervised) -> None:
            super().__init__(recipe, lambda _: False, 1.0)
            self.losses = iter(range(1, 99))

        def held_out(self, model: Any) -> dict[str, float]:
            return {"loss": float(next(self.losses))}

    with pytest.raises(NothingTrained, match=r"was 1\.0000 before the first step"):
        bench.loop(tmp_path, bench.settings(), Worse).run(lambda _: None, lambda: "")


def test_a_run_that_is_stopped_keeps_its_best_weights(bench: Bench, tmp_path: Path) -> None:
    words: Iterator[str] = iter(["", "", "stop"])
    loop = bench.loop(tmp_path, bench.settings(epochs=20.0, eval_every=1))
    told, weights = trained(loop, lambda: next(words))
    assert [each.step for each in told] == [1, 2]
    assert loop.course.best_step in (0, 1, 2)
    assert same(weights, loop._best)


def test_the_best_checkpoint_and_not_the_last_is_the_result(bench: Bench, tmp_path: Path) -> None:
    class WorseAfterTwo(Poisoned):
        def __init__(self, recipe: Supervised) -> None:
            super().__init__(recipe, lambda _: False, 1.0)
            self.losses = iter([5.0, 4.0, 3.0, 9.0, 9.0, 9.0, 9.0])

        def held_out(self, model: Any) -> dict[str, float]:
            return {"loss": next(self.losses)}

    loop = bench.loop(tmp_path, bench.settings(eval_every=1), WorseAfterTwo)
    _, weights = trained(loop)
    assert loop.course.best_step == 2
    whole = bench.loop(tmp_path / "two", replace_epochs(bench))
    words = iter(["", "", "stop"])
    _, after_two = trained(whole, lambda: next(words))
    assert same(weights, after_two)


def replace_epochs(bench: Bench) -> Decided:
    """Measured after each step, with the rates of the longer run."""
    return bench.settings(eval_every=1)


def test_unweighted_rows_weigh_alike_and_weights_count(bench: Bench) -> None:
    recipe = Supervised(bench.train, bench.held_out, bench.settings(), bench.pad_id)
    (micro,) = [MicroBatch(((0,), (1,)))]
    tokens = int(bench.train.trained(0).sum()) + int(bench.train.trained(1).sum())
    assert recipe.total((micro,)) == tokens
