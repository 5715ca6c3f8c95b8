"""KTO: the loss beside TRL's, what a step depends on, and a tiny model that learns what people are for."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_tuning_loop import SMALL, same, trained
from tuning_parts import WORDS, make_base, make_spec, write_rows

from hone_trainer.tuning import kto
from hone_trainer.tuning.base import load_model, load_tokenizer, with_adapter
from hone_trainer.tuning.checkpoints import Checkpoints, Identity
from hone_trainer.tuning.data.batches import MicroBatch, Step, plan
from hone_trainer.tuning.data.tokenised import Tokenised, tokenise
from hone_trainer.tuning.distributed import Group
from hone_trainer.tuning.errors import Cancelled, OneSided
from hone_trainer.tuning.kto import (
    KahnemanTversky,
    Likelihoods,
    Swapped,
    adapter_of,
    as_it_began,
    balance,
    members_of,
    partners,
)
from hone_trainer.tuning.loop import Loop
from hone_trainer.tuning.prepare import prepare
from hone_trainer.tuning.settings import Decided, Layer, resolve
from hone_trainer.tuning.train import make_repeatable, train


def judged(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """People are for one line a name, and against names in a row."""
    made = []
    for number in range(count):
        names = [WORDS[(number * 5 + seed + step * 3) % len(WORDS)] for step in range(2 + number % 3)]
        prompt = [{"role": "user", "content": f"Tables for {' and '.join(names)}?"}]
        good = number % 5 != 0
        answer = "\n".join(f"{name}_id {name}" for name in names) if good else ", ".join(names)
        made.append(
            {"prompt": prompt, "completion": answer, "label": good, "weight": 1.0, "group": str(number)}
        )
    return made


class Bench:
    def __init__(self, folder: Path) -> None:
        self.base = make_base(folder / "base")
        self.reading = load_tokenizer(self.base)
        self._folder = folder
        self._liking: dict[str, torch.Tensor] = {}
        self.train, self.held_out = self.data(judged(32)), self.data(judged(10, seed=4))

    def data(self, some: Sequence[dict[str, Any]]) -> Tokenised:
        path = write_rows(self._folder / f"{len(some)}-{hash(json.dumps(some))}.jsonl", some)
        cache = self._folder / "cache"
        return tokenise(
            path,
            self.reading,
            kind="kto",
            most_tokens=256,
            cache=cache,
            tell=lambda _done, _total: None,
            processes=1,
        )

    def model(self, settings: Decided) -> Any:
        """With an adapter that likes answers better than the base does, whatever they answer."""
        model = self.fresh(settings)
        self.like(model, settings)
        return model

    def fresh(self, settings: Decided) -> Any:
        torch.set_num_threads(1)
        return with_adapter(load_model(self.base, "cpu", "fp32"), settings, self.base)

    def like(self, model: Any, settings: Decided) -> None:
        adapter = {name: each for name, each in model.named_parameters() if each.requires_grad}
        if not self._liking:
            self._liking.update(self._learned(model, adapter, settings))
        with torch.no_grad():
            for name, each in adapter.items():
                each.copy_(self._liking[name])

    def _learned(
        self, model: Any, adapter: dict[str, torch.Tensor], settings: Decided
    ) -> dict[str, torch.Tensor]:
        swapped, optimizer = (
            Swapped(self.train, range(len(self.train))),
            torch.optim.Adam(adapter.values(), lr=0.02),
        )
        micro = MicroBatch(tuple((each,) for each in range(len(swapped))))
        likelihoods = Likelihoods(settings, self.reading.pad_id, None, Group())
        for _ in range(4):
            optimizer.zero_grad()
            (-likelihoods.now(model, swapped, micro).mean()).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        optimizer.zero_grad()
        return {name: each.detach().clone() for name, each in adapter.items()}

    def loss(
        self, settings: Decided, data: Tokenised
    ) -> tuple[float, dict[str, float], dict[str, torch.Tensor]]:
        """Of all of the data in one step: the loss, what else was measured, and the gradients."""
        model = self.model(settings).train()
        recipe = KahnemanTversky(data, self.held_out, settings, self.reading.pad_id)
        step = whole(data, settings)
        recipe.begin_step(model, step)
        loss, figures = 0.0, dict[str, float]()
        for micro in step:
            summed, more = recipe.loss(model, micro)
            (summed / recipe.total(step)).backward()  # type: ignore[no-untyped-call]
            loss += float(summed.detach()) / recipe.total(step)
            figures = {
                name: figures.get(name, 0.0) + value / recipe.total(step) for name, value in more.items()
            }
        gradients = {name: each.grad for name, each in model.named_parameters() if each.grad is not None}
        return loss, figures, gradients


def whole(data: Tokenised, settings: Decided) -> Step:
    [step] = plan(
        data.lengths,
        batch=len(data),
        micro_tokens=settings.micro_tokens,
        packed=settings.packing,
        epochs=1.0,
        seed=1,
    )
    return step


def settings(**more: Any) -> Decided:
    told = SMALL | {"learning_rate": 1e-4, "micro_tokens": 4096} | more
    return resolve("kto", Layer("set", told)).decided()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("kto"))


def test_loss_and_gradients_are_those_of_trl(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Slow to import, and only here.
    from datasets import Dataset  # noqa: PLC0415
    from trl.trainer.kto_config import KTOConfig  # noqa: PLC0415
    from trl.trainer.kto_trainer import KTOTrainer  # noqa: PLC0415

    some = judged(12)
    data, set_ = bench.data(some), settings(kto_good_weight=1.25, kto_bad_weight=3.0, kto_beta=0.3)
    model = bench.fresh(set_)
    conversations = [
        {
            "prompt": row["prompt"],
            "completion": [{"role": "assistant", "content": row["completion"]}],
            "label": row["label"],
        }
        for row in some
    ]
    trainer: Any = KTOTrainer(
        model=model,
        args=KTOConfig(
            output_dir=str(tmp_path), per_device_train_batch_size=len(some), beta=0.3, desirable_weight=1.25,
            undesirable_weight=3.0, bf16=False, gradient_checkpointing=False, use_cpu=True, report_to=[],
        ),
        train_dataset=Dataset.from_list(conversations),
        processing_class=bench.reading.tokenizer,
    )  # fmt: skip
    bench.like(model, set_)  # TRL keeps a copy of the adapter that it is given: that one was the base's equal
    tokens = [row["prompt_ids"] + row["completion_ids"] for row in trainer.train_dataset]
    assert tokens == [data.tokens(each).tolist() for each in range(len(some))]
    batch = trainer.data_collator(list(trainer.train_dataset))
    model.train()
    theirs = trainer.compute_loss(model, batch)
    theirs.backward()
    expected = {name: each.grad for name, each in model.named_parameters() if each.grad is not None}

    # TRL gives each prompt the answer of the row before it, whatever that one's prompt is.
    def rotated(data: Tokenised, _: object) -> list[tuple[int, int]]:
        return [(each, (each - 1) % len(data)) for each in range(len(data))]

    monkeypatch.setattr(kto, "partners", rotated)
    ours, figures, gradients = bench.loss(set_, data)
    assert figures["distance"] == pytest.approx(trainer._metrics["train"]["kl"][0], abs=1e-4)
    assert figures["distance"] > 0.01
    assert ours == pytest.approx(float(theirs), abs=1e-5)
    assert gradients.keys() == expected.keys()
    for name, each in gradients.items():
        torch.testing.assert_close(each, expected[name], atol=1e-5, rtol=1e-3)


@pytest.mark.parametrize(
    "more", [{"micro_tokens": 64}, {"packing": True}, {"packing": True, "micro_tokens": 128}]
)
def test_however_a_step_is_cut_it_is_the_same_step(bench: Bench, more: dict[str, Any]) -> None:
    loss, figures, gradients = bench.loss(settings(), bench.train)
    cut, cut_figures, cut_gradients = bench.loss(settings(**more), bench.train)
    assert cut == pytest.approx(loss, abs=1e-5)
    assert cut_figures == pytest.approx(figures, abs=1e-4)
    for name, each in gradients.items():
        torch.testing.assert_close(cut_gradients[name], each, atol=1e-5, rtol=1e-3)


def test_an_example_of_twice_the_weight_counts_as_two(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    some = judged(10)
    fixed = settings(kto_good_weight=1.0, kto_bad_weight=1.0, kto_beta=3.0)
    # It is estimated from other pairs where an example stands twice.
    monkeypatch.setattr(Likelihoods, "distance", lambda *_: 1.5)
    heavy, _, _ = bench.loss(fixed, bench.data([some[0] | {"weight": 2.0}, *some[1:]]))
    twice, _, _ = bench.loss(fixed, bench.data([some[0], *some]))
    light, _, _ = bench.loss(fixed, bench.data(some))
    assert heavy == pytest.approx(twice, abs=1e-5)
    assert abs(heavy - light) > 5e-3


def test_an_untrained_adapter_is_the_base(bench: Bench) -> None:
    set_ = settings()
    fresh = with_adapter(load_model(bench.base, "cpu", "fp32"), set_, bench.base).train()
    recipe = KahnemanTversky(bench.train, bench.held_out, set_, bench.reading.pad_id)
    found = recipe.held_out(fresh)
    assert found["loss"] == pytest.approx(0.5, abs=1e-6)
    assert found["good_reward"] == found["bad_reward"] == found["distance"] == pytest.approx(0, abs=1e-6)


def test_held_out_answers_count_alike_on_both_sides_and_one_side_alone_will_do(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Likelihoods, "distance", lambda *_: 1.0)  # else each set has its own
    model, set_ = bench.model(settings()), settings()
    good = [row for row in judged(30, seed=2) if row["label"]]
    bad = [
        row for row in judged(8, seed=2) if not row["label"]
    ]  # a twelfth of the rows, and half of the loss

    def measured(some: Sequence[dict[str, Any]]) -> dict[str, float]:
        recipe = KahnemanTversky(bench.train, bench.data(some), set_, bench.reading.pad_id)
        assert recipe.held_out(model) == recipe.held_out(model)
        return recipe.held_out(model)

    both, good_alone, bad_alone = measured([*good, *bad]), measured(good), measured(bad)
    assert both["loss"] == pytest.approx((good_alone["loss"] + bad_alone["loss"]) / 2, abs=1e-6)
    assert abs(good_alone["loss"] - bad_alone["loss"]) > 0.01
    assert both["good_reward"] == pytest.approx(good_alone["good_reward"], abs=1e-6)
    assert (good_alone["bad_reward"], bad_alone["good_reward"]) == (0.0, 0.0)


def test_dropout_disturbs_neither_the_base_nor_the_distance(bench: Bench) -> None:
    set_ = settings(dropout=0.4)
    model = bench.model(set_).train()
    recipe = KahnemanTversky(bench.train, bench.held_out, set_, bench.reading.pad_id)
    step = whole(bench.train, set_)
    found = set()
    for seed in (1, 2):
        torch.manual_seed(seed)
        recipe.begin_step(model, step)
        found.add(recipe._distance)
    assert len(found) == 1
    assert model.training


@pytest.mark.parametrize("goes_on", [False, True])
def test_after_the_model_was_as_it_began_the_adapter_learns_on(bench: Bench, goes_on: bool) -> None:
    model = bench.model(settings()).train()
    start = {name: torch.zeros_like(each) for name, each in adapter_of(model).items()} if goes_on else None
    before = {name: (each.requires_grad, each.detach().clone()) for name, each in model.named_parameters()}
    with as_it_began(model, start):
        assert not torch.is_grad_enabled() and not model.training
    assert model.training and torch.is_grad_enabled()
    assert all(each.requires_grad == before[name][0] for name, each in model.named_parameters())
    assert all(torch.equal(each, before[name][1]) for name, each in model.named_parameters())
    assert start is None or not any(each.any() for each in start.values())


def test_a_run_that_goes_on_from_a_champion_is_measured_against_the_champion(bench: Bench) -> None:
    model, set_ = bench.model(settings()), settings()
    champion = KahnemanTversky(
        bench.train, bench.held_out, set_, bench.reading.pad_id, start=adapter_of(model)
    )
    base = KahnemanTversky(bench.train, bench.held_out, set_, bench.reading.pad_id)
    assert base.held_out(model)["good_reward"] > 0.01
    assert champion.held_out(model)["loss"] == pytest.approx(0.5, abs=1e-6)
    with torch.no_grad():
        for name, each in model.named_parameters():
            if "lora_B" in name:
                each.zero_()  # what it learned is forgotten
    forgotten = champion.held_out(model)
    assert forgotten["distance"] == 0.0  # all answers are less likely now, and a distance is none below it
    assert forgotten["good_reward"] < -0.01 and base.held_out(model)["good_reward"] == pytest.approx(
        0, abs=1e-6
    )
    champion.begin_step(model, whole(bench.train, set_))
    loss, _ = champion.loss(model, whole(bench.train, set_)[0])
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(each.grad is not None for each in model.parameters() if each.requires_grad)


@pytest.mark.parametrize(
    "more", [{"four_bit": True}, {"use_dora": True}, {"checkpointing": True, "dropout": 0.2}]
)
def test_quantized_bases_other_adapters_and_recomputed_activations_learn_alike(
    bench: Bench, more: dict[str, Any]
) -> None:
    set_ = settings(**more)
    base = load_model(bench.base, "cpu", "fp32", four_bit=set_.four_bit)
    if set_.checkpointing:
        base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        base.enable_input_require_grads()
    model = with_adapter(base, set_, bench.base).train()
    recipe = KahnemanTversky(bench.train, bench.held_out, set_, bench.reading.pad_id)
    assert recipe.held_out(model)["loss"] == pytest.approx(0.5, abs=1e-5)
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], lr=0.02)
    step = whole(bench.train, set_)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        recipe.begin_step(model, step)
        for micro in step:
            loss, _ = recipe.loss(model, micro)
            (loss / recipe.total(step)).backward()  # type: ignore[no-untyped-call]
            losses.append(float(loss) / recipe.total(step))
        optimizer.step()
    each = len(step)
    assert sum(losses[-each:]) < sum(losses[:each]) - 0.01


# Pairs


def test_each_prompt_gets_the_answer_to_another_prompt(bench: Bench) -> None:
    same = [row | {"prompt": judged(1)[0]["prompt"]} for row in judged(4)]
    data = bench.data([*judged(9), *same])
    pairs = partners(data, range(len(data)))
    assert sorted(each for each, _ in pairs) == list(range(len(data)))
    swapped = Swapped(data, range(len(data)))
    for place, (each, other) in enumerate(pairs):
        start, end = (int(np.argmax(data.trained(i))) for i in (each, other))
        assert data.tokens(each)[:start].tolist() != data.tokens(other)[:end].tolist()
        expected = [*data.tokens(each)[:start], *data.tokens(other)[end:]][: int(data.lengths.max())]
        assert swapped.tokens(place).tolist() == expected
        assert not swapped.trained(place)[:start].any()
        assert swapped.trained(place).sum() == min(len(expected) - start, data.trained(other).sum())


def test_a_pair_is_no_longer_than_what_is_trained(bench: Bench) -> None:
    short, long = judged(1)[0], judged(2)[1]
    asks_much = short | {"prompt": [{"role": "user", "content": "book " * 30}]}
    answers_much = long | {"completion": "book " * 30}
    data = bench.data([asks_much, answers_much])
    longest = int(data.lengths.max())
    swapped = Swapped(data, [0, 1])
    assert sorted(swapped.lengths)[-1] == longest < data.lengths.sum() - 40
    assert all(swapped.trained(each).any() for each in range(len(swapped)))


class Apart(Group):
    """One of several processes that never hears of the others."""

    def sum(self, tensors: Sequence[torch.Tensor]) -> None:
        return None


def test_processes_find_the_distance_in_parts(bench: Bench) -> None:
    set_ = settings(micro_tokens=96)
    model, swapped = bench.model(set_), Swapped(bench.train, range(len(bench.train)))
    found = [
        Likelihoods(set_, bench.reading.pad_id, None, group).distance(model, swapped)
        for group in (Group(), Apart(0, 3), Apart(1, 3), Apart(2, 3))
    ]
    assert min(found) > 0.01
    assert found[0] == pytest.approx(sum(found[1:]), abs=1e-5)


def test_where_all_prompts_are_one_nothing_is_far(bench: Bench) -> None:
    prompt = judged(1)[0]["prompt"]
    data = bench.data([row | {"prompt": prompt} for row in judged(6)])
    assert partners(data, range(6)) == [] and partners(data, [0]) == []
    _, figures, _ = bench.loss(settings(), data)
    assert figures["distance"] == 0.0


# The two sides


class Sides:
    """Of tokenised data, what the balance reads."""

    def __init__(self, good: int, bad: int) -> None:
        self.labels = np.array([True] * good + [False] * bad)
        self.weights = np.ones(good + bad, np.float32)


@given(good=st.integers(1, 300), bad=st.integers(1, 300), told=st.sampled_from(["", "good", "bad", "both"]))
def test_both_sides_weigh_about_the_same_unless_somebody_chose(good: int, bad: int, told: str) -> None:
    named = {f"kto_{side}_weight": 2.0 for side in ("good", "bad") if told in (side, "both")}
    found = balance(Sides(good, bad), settings(**named))  # type: ignore[arg-type]
    for side in ("good", "bad"):
        if told in (side, "both"):
            assert getattr(found, side) == 2.0
    ratio = found.good * good / (found.bad * bad)
    if told == "" and max(good, bad) <= 100 * min(good, bad):
        assert min(found.good, found.bad) == 1.0
        assert 1 - 1e-9 <= ratio <= 4 / 3 + 1e-9
    elif told in ("good", "bad") and max(good, bad) <= 30 * min(good, bad):
        assert 1 - 1e-9 <= ratio <= 4 / 3 + 1e-9


@pytest.mark.parametrize(("label", "advice"), [(True, "thumbs down"), (False, "thumbs up")])
def test_one_sided_labels_are_refused_before_weights_are_read(
    bench: Bench, tmp_path: Path, label: bool, advice: str
) -> None:
    some = [row for row in judged(40) if row["label"] is label]
    spec = make_spec(tmp_path, bench.base, some, kind="kto", method="kto", learning_rate=1e-4)
    with pytest.raises(OneSided, match=advice):
        prepare(spec, lambda _line: None, lambda: False)
    assert not (spec.out / "prepared.json").exists()


# A run


@pytest.mark.slow
def test_a_run_that_is_interrupted_and_resumed_is_the_same_run(bench: Bench, tmp_path: Path) -> None:
    set_ = settings(dropout=0.1, eval_every=2, micro_tokens=128)

    def loop(folder: Path) -> Loop:
        make_repeatable(set_)
        model = bench.model(set_)
        recipe = KahnemanTversky(
            bench.train, bench.held_out, set_, bench.reading.pad_id, start=adapter_of(model)
        )
        steps = plan(bench.train.lengths, batch=8, micro_tokens=128, packed=False, epochs=1.0, seed=set_.seed)
        identity = Identity(data="d", base="b", settings={}, seed=1, world=1, versions={})
        return Loop(
            model=model, recipe=recipe, plan=steps, lengths=bench.train.lengths.tolist(), settings=set_,
            checkpoints=Checkpoints(folder, identity, 100), group=Group(),
        )  # fmt: skip

    told, whole_run = trained(loop(tmp_path / "whole"))
    words = iter(["", "", "end"])
    with pytest.raises(Cancelled):
        trained(loop(tmp_path / "broken"), lambda: next(words))
    again, resumed = trained(loop(tmp_path / "broken"))
    assert [each.figures["loss"] for each in again] == [each.figures["loss"] for each in told[2:]]
    assert same(whole_run, resumed)


@pytest.mark.slow
def test_a_tiny_model_learns_what_people_are_for(bench: Bench, tmp_path: Path) -> None:
    spec = make_spec(
        tmp_path, bench.base, judged(60), kind="kto", method="kto", learning_rate=0.02, epochs=4.0, force=True,
        kto_beta=0.3,
        held_out=write_rows(tmp_path / "held_out.jsonl", judged(15, seed=4)), packing=False,
    )  # fmt: skip
    prepare(spec, lambda _line: None, lambda: False)
    train(spec, lambda _line: None, lambda: False)
    points = [json.loads(line) for line in (spec.folder / "metrics.jsonl").read_text().splitlines()]
    told = [point for point in points if "held_out_loss" in point]
    # All began at 0.5 and 0; answers of either kind become likelier, and only the good ones by more than z.
    assert told[-1]["held_out_loss"] < 0.46
    z = 0.3 * told[-1]["held_out_distance"]
    assert told[-1]["held_out_good_reward"] > z > told[-1]["held_out_bad_reward"] + 0.2
    assert points[-1]["reward"] > 0.3 > points[0]["reward"] == 0.0


def test_members_are_named_in_the_order_of_their_rows() -> None:
    assert members_of((MicroBatch(((3, 1), (2,))), MicroBatch(((0,),)))) == [3, 1, 2, 0]
