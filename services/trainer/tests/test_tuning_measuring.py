"""Every form of a tuned model on the same tokens: what a step of the way loses shows, and blocks."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tuning_parts import make_base, make_spec, rows, write_rows

from hone_hub.convert import Quant, convert
from hone_trainer.finetune.events import Line
from hone_trainer.tuning import limits, merging
from hone_trainer.tuning.base import load_model, load_tokenizer, save_adapter, with_adapter
from hone_trainer.tuning.data.batches import MicroBatch
from hone_trainer.tuning.data.tokenised import Tokenised, tokenise
from hone_trainer.tuning.errors import (
    Cancelled,
    ForgotTooMuch,
    FourBitsLose,
    MergeLoses,
    NotHealthy,
    PhaseMissing,
    QuantizationLoses,
    TuningError,
)
from hone_trainer.tuning.likelihood import Asked, log_likelihoods
from hone_trainer.tuning.limits import Variant
from hone_trainer.tuning.measure import measure
from hone_trainer.tuning.prepared import Prepared
from hone_trainer.tuning.probes import Answered, Probe, answer, forgotten, probes
from hone_trainer.tuning.settings import Decided, Layer, resolve
from hone_trainer.tuning.sft import trained_losses
from hone_trainer.tuning.spec import Spec

torch.set_num_threads(1)

SMALL = {
    "rank": 4, "micro_tokens": 256, "most_tokens": 256, "packing": False, "eval_every": 3, "save_every": 1,
    "device": "cpu", "dtype": "fp32", "four_bit": False, "checkpointing": False, "threads": 1,
}  # fmt: skip


def unheard(_done: int, _total: int) -> None:
    """Nobody listens."""


def settings_of(**more: Any) -> Decided:
    return resolve("lora", Layer("set", SMALL | more)).decided()


def learned(base: Path, folder: Path, data: Tokenised, *, four_bit: bool = False, **options: Any) -> Path:
    """An adapter that knows something of the rows: trained for some dozen steps by a plain loop."""
    settings = settings_of(four_bit=four_bit, **options)
    model = with_adapter(load_model(base, "cpu", "fp32", four_bit=four_bit), settings, base)
    optimizer = torch.optim.AdamW([each for each in model.parameters() if each.requires_grad], lr=2e-2)
    micro = MicroBatch(tuple((each,) for each in range(len(data))))
    for _ in range(30):
        losses, _weights = trained_losses(model, data, micro, settings, 0)
        mean: Any = losses.mean()
        mean.backward()
        optimizer.step()
        optimizer.zero_grad()
    save_adapter(model, folder, base)
    return folder


def a_run(folder: Path, **more: Any) -> Spec:
    """A run of which everything is done but the measuring."""
    base = make_base(folder / "base", "qwen")
    dtype, weights = more.pop("base_dtype", torch.float32), load_file(base / "model.safetensors")
    weights["model.embed_tokens.weight"] *= 20  # as transformers starts them, a frozen head can say nothing
    weights = {name: each.to(dtype) for name, each in weights.items()}
    save_file(weights, base / "model.safetensors", {"format": "pt"})
    quant, settings = more.pop("quant", Quant.F16), more.pop("settings", {})
    spec = make_spec(folder, base, rows(30)).model_copy(update=more)
    reading = load_tokenizer(base)
    files = [write_rows(folder / f"{part}.jsonl", rows(12, seed)) for part, seed in (("a", 1), ("b", 2))]
    train, held_out = (
        tokenise(each, reading, kind="sft", most_tokens=256, cache=folder / "cache", tell=unheard)
        for each in files
    )
    Prepared(
        settings=settings_of(**settings), sources={}, base="b", train=train.folder, held_out=held_out.folder,
        pad_id=reading.pad_id, steps=1, figures={},
    ).write(spec.out)  # fmt: skip
    learned(base, spec.out / "adapter", train, four_bit=spec.method == "qlora")
    merging.merge(base, spec.out / "adapter", spec.out / "merged", ends=reading.end_ids)
    convert(spec.out / "merged", spec.out / "model.gguf", quant)
    return spec


def measured(spec: Spec, told: list[Line] | None = None) -> dict[str, Any]:
    return measure(spec, (told if told is not None else []).append, lambda: False)


@pytest.fixture(scope="module", name="run")
def _run(tmp_path_factory: pytest.TempPathFactory) -> Spec:
    return a_run(tmp_path_factory.mktemp("run"))


@pytest.fixture
def copy(run: Spec, tmp_path: Path) -> Spec:
    """The same run, for a test to spoil."""
    folder = shutil.copytree(run.folder, tmp_path / "run")
    return run.model_copy(update={"folder": folder})


def test_every_form_is_measured_on_the_same_tokens(run: Spec, tmp_path: Path) -> None:
    old = write_rows(tmp_path / "old.jsonl", rows(8, 5))
    champion = learned(run.checkpoint, tmp_path / "champion", Tokenised(Prepared.read(run.out).train), rank=8)
    told: list[Line] = []
    spec = run.model_copy(update={"adapter": champion, "probes": old})
    figures = measured(spec, told)
    assert json.loads((spec.out / "measured.json").read_text()) == figures
    found = figures["variants"]
    assert list(found) == ["base", "champion", "adapter", "merged", "shipped"]
    losses = {name: each["loss"] for name, each in found.items()}
    assert abs(losses["merged"] - losses["adapter"]) < 5e-6
    assert 0 < abs(losses["shipped"] - losses["adapter"]) < 1e-3  # the file is F16
    assert max(losses["champion"], losses["adapter"]) < losses["base"] - 1
    assert abs(losses["champion"] - losses["adapter"]) > 1e-3
    for each in found.values():
        assert each["perplexity"] == pytest.approx(math.exp(each["loss"]), rel=1e-4)
        assert 0 <= each["probes"] <= 1 and each["old_skills_loss"] > 0 and each["disliked_loss"] is None
    assert figures["quantization"] == "f16" and figures["computed_in"] == "fp32"
    assert [each["name"] for each in figures["limits"]] == [
        "merging", "quantization", "general probes", "old skills",
    ]  # fmt: skip
    assert all(each["kept"] for each in figures["limits"][:2])
    assert set(found) <= {line.message.split(":")[0] for line in told}


def test_the_losses_are_those_of_transformers_own_logits(run: Spec) -> None:
    held_out, reading = Prepared.read(run.out).held_out, load_tokenizer(run.checkpoint)
    model = load_model(run.checkpoint, "cpu", "fp32")
    data = Tokenised(held_out)
    asked = [Asked(np.asarray(data.tokens(i)), np.asarray(data.trained(i))) for i in range(len(data))]
    found = log_likelihoods(model, asked, reading.pad_id)
    for place, each in enumerate(asked):
        ids = torch.from_numpy(each.tokens.astype(np.int64)).unsqueeze(0)
        with torch.no_grad():
            scores = torch.log_softmax(model(input_ids=ids).logits[0].double(), -1)
        right = scores[:-1].gather(1, ids[0, 1:, None])[:, 0].numpy()[each.asked[1:]]
        np.testing.assert_allclose(found[place], right, atol=1e-5)


def test_a_lossy_merge_is_told_with_its_figures_and_ends_the_run(copy: Spec) -> None:
    path = copy.out / "merged" / "model.safetensors"
    weights = load_file(path)
    for name, weight in weights.items():
        if name.endswith("proj.weight"):  # as if merged into 4 bits: on a coarse grid
            step = weight.abs().max() / 3
            weights[name] = (weight / step).round() * step
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(MergeLoses, match="merging raises the held-out loss") as refused:
        measured(copy)
    assert refused.value.loss > 0.01 and refused.value.body().status == 422
    kept = json.loads((copy.out / "measured.json").read_text())
    assert {each["name"]: each["kept"] for each in kept["limits"]}["merging"] is False
    assert kept["variants"]["merged"]["loss"] > kept["variants"]["adapter"]["loss"] + 0.01


def _broken_quant(path: Path) -> None:
    """A scale of each block lost its highest bit, as a converter with a bug might have it."""
    from gguf import GGUFReader  # noqa: PLC0415

    reader = GGUFReader(path, "r+")
    for tensor in reader.tensors:
        if tensor.tensor_type.name == "Q8_0":
            blocks = tensor.data.reshape(-1, 34)
            blocks[:, 1] ^= 0x10
    reader.data.flush()


def test_a_broken_quantization_is_told_with_its_figures_and_ends_the_run(copy: Spec) -> None:
    convert(copy.out / "merged", copy.out / "model.gguf", Quant.Q8_0, force=True)
    assert measured(copy)["limits"][1]["kept"]
    _broken_quant(copy.out / "model.gguf")
    with pytest.raises(QuantizationLoses, match="q8_0 raises the held-out loss"):
        measured(copy)
    kept = json.loads((copy.out / "measured.json").read_text())
    assert {each["name"]: each["kept"] for each in kept["limits"]}["quantization"] is False


def test_a_file_that_is_not_finite_is_not_shipped(copy: Spec) -> None:
    path = copy.out / "merged" / "model.safetensors"
    weights = load_file(path)
    weights["model.norm.weight"][3] = torch.nan
    save_file(weights, path, {"format": "pt"})
    with pytest.raises(NotHealthy, match="merged form is not finite"):
        measured(copy)
    assert json.loads((copy.out / "measured.json").read_text())["variants"]["merged"]["loss"] is None


@pytest.mark.parametrize(("liked", "apart"), [(8, True), (0, False)])
def test_liked_and_disliked_answers_are_measured_apart(
    copy: Spec, tmp_path: Path, liked: int, apart: bool
) -> None:
    judged = [
        {"prompt": each["messages"][:1], "completion": each["messages"][1]["content"], "label": place < liked}
        for place, each in enumerate(rows(12, 1))
    ]
    reading, path = load_tokenizer(copy.checkpoint), write_rows(tmp_path / "kto.jsonl", judged)
    held_out = tokenise(path, reading, kind="kto", most_tokens=256, cache=tmp_path / "cache", tell=unheard)
    prepared = Prepared.read(copy.out).model_copy(update={"held_out": held_out.folder})
    prepared.write(copy.out)
    figures = measured(copy.model_copy(update={"kind": "kto", "method": "kto"}))
    assert figures["held_out_sequences"] == (liked or 12)
    assert all((each["disliked_loss"] is not None) is apart for each in figures["variants"].values())


@pytest.mark.parametrize("part", ["adapter", "merged", "model.gguf", "prepared.json"])
def test_phases_out_of_their_order_are_told(copy: Spec, part: str) -> None:
    path = copy.out / part
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(PhaseMissing, match=part):
        measured(copy)


def test_it_ends_soon_when_it_is_asked_to(copy: Spec) -> None:
    (copy.out / "measured.json").unlink(missing_ok=True)
    with pytest.raises(Cancelled):
        measure(copy, lambda _: None, lambda: True)
    assert not (copy.out / "measured.json").exists()


def test_on_4_bits_gradients_after_a_measure_are_those_before_it(tmp_path: Path) -> None:
    """bitsandbytes repacks weights when it predicts, on some CPUs, and gradients are lost in them."""
    base, settings = make_base(tmp_path / "base", "llama"), settings_of(four_bit=True)
    model = with_adapter(load_model(base, "cpu", "fp32", four_bit=True), settings, base)
    ids = torch.arange(20).unsqueeze(0)

    def gradients() -> list[torch.Tensor]:
        model.train()
        model.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        return [each.grad.clone() for each in model.parameters() if each.grad is not None]

    before = gradients()
    model.eval()
    log_likelihoods(model, [Asked(ids[0].numpy().astype(np.int32), np.ones(20, bool))], 0)
    after = gradients()
    assert len(before) > 10 and all(map(torch.equal, before, after))


@pytest.mark.slow
def test_an_adapter_trained_on_4_bits_is_merged_into_16_converts_and_is_measured_beside_what_was_trained(
    tmp_path: Path,
) -> None:
    spec = a_run(
        tmp_path, method="qlora", base_dtype=torch.bfloat16, quant=Quant.Q8_0,
        settings={"four_bit": True, "quantization_tolerance": 1.0},
    )  # fmt: skip
    figures = measured(spec)
    losses = {name: each["loss"] for name, each in figures["variants"].items()}
    assert list(losses) == ["trained", "base", "adapter", "merged", "shipped"]
    assert abs(losses["merged"] - losses["adapter"]) < 5e-3  # into 16 bits little is lost
    assert abs(losses["trained"] - losses["adapter"]) > 1e-4  # and NF4 is another base
    assert load_file(spec.out / "merged" / "model.safetensors")["model.norm.weight"].dtype is torch.bfloat16
    assert figures["weights_by_type"]["Q8_0"] > 0


# The limits alone


def variant(loss: float, right: int = 50, old: float | None = None) -> Variant:
    likely = [np.full(5, -loss) for _ in range(10)]
    answered = Answered(tuple(place < right for place in range(60)), (4,) * 60, right / 60)
    return Variant(likely, answered, None if old is None else [np.full(5, -old)] * 10)


def forms(**changed: Variant) -> dict[str, Variant]:
    return {name: variant(1.0) for name in ("base", "adapter", "merged", "shipped")} | changed


CASES: dict[str, tuple[dict[str, Variant], type[TuningError] | None]] = {
    "nothing lost": (forms(), None),
    "merging at its limit": (forms(merged=variant(1.009)), None),
    "merging beyond": (forms(merged=variant(1.02)), MergeLoses),
    "quantizing at its limit": (forms(shipped=variant(1.049)), None),
    "quantizing beyond": (forms(shipped=variant(1.06)), QuantizationLoses),
    "better than before": (forms(merged=variant(0.5), shipped=variant(0.5)), None),
    "no number": (forms(shipped=variant(math.nan)), NotHealthy),
    "some probes": (forms(shipped=variant(1.0, right=48)), None),
    "many probes": (forms(shipped=variant(1.0, right=40)), ForgotTooMuch),
    "old skills kept": (forms(base=variant(1.0, old=2.0), shipped=variant(1.0, old=2.05)), None),
    "old skills lost": (forms(base=variant(1.0, old=2.0), shipped=variant(1.0, old=2.2)), ForgotTooMuch),
    "beside a champion": (
        forms(base=variant(1.0, old=9.0), champion=variant(1.0, old=2.0), shipped=variant(1.0, old=2.2)),
        ForgotTooMuch,
    ),
    "from 4 bits at its limit": (forms(trained=variant(0.951)), None),
    "too far from 4 bits": (forms(trained=variant(0.9)), FourBitsLose),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_loss_within_its_limit_passes_and_one_beyond_it_ends_the_run(case: str) -> None:
    found, error = CASES[case]
    if error is None:
        limits.enforce(found, settings_of(), "q8_0")
    else:
        with pytest.raises(error) as refused:
            limits.enforce(found, settings_of(), "q8_0")
        assert refused.value.detail.isprintable()
    json.dumps(limits.judged(found, settings_of(), "q8_0"), allow_nan=False)


def test_rows_that_differ_more_than_they_got_worse_prove_nothing() -> None:
    rng = np.random.default_rng(1)
    before = [np.full(5, -2.0)] * 6
    after = [np.full(5, -2.2 + noise) for noise in rng.normal(0, 1.5, 6)]
    after = [each - np.mean([one.mean() for one in after]) - 2.2 for each in after]
    found = forms(
        base=Variant([np.full(5, -1.0)], None, before), shipped=Variant([np.full(5, -1.0)], None, after)
    )
    limits.enforce(found, settings_of(), "q8_0")


# Probes


def test_the_probes_are_sixty_and_sound() -> None:
    found = probes()
    assert len(found) >= 60 and len({each.question for each in found}) == len(found)
    assert len({each.skill for each in found}) >= 8
    for each in found:
        assert each.right not in each.wrong and len(set(each.wrong)) == len(each.wrong)


def test_a_probe_is_right_where_the_right_answer_is_the_likeliest_by_its_length(run: Spec) -> None:
    reading, model = load_tokenizer(run.checkpoint), load_model(run.checkpoint, "cpu", "fp32")
    # Of a model that knows nothing each token is about as likely, and "member" is one as "a" is one.
    found = [
        answer(model, reading, [Probe(skill="s", question="q?", right=right, wrong=(wrong,))])
        for right, wrong in (("member member", "a"), ("a", "member member"))
    ]
    assert [each.right for each in found] == [(True,), (False,)]
    assert found[0].confidence + found[1].confidence == pytest.approx(1.0)
    alike = answer(model, reading, [Probe(skill="s", question="q?", right="same", wrong=("same",))])
    assert alike.right == (False,) and alike.confidence == pytest.approx(0.5)


def _answered(right: Callable[[int], bool]) -> Answered:
    return Answered(tuple(right(place) for place in range(60)), (4,) * 60, 0.5)


def test_forgetting_is_told_beyond_the_tolerance_and_beyond_chance() -> None:
    before = _answered(lambda place: place < 40)
    assert forgotten(before, before, 0.0) is None
    assert forgotten(before, _answered(lambda place: place < 38), 0.0) is None  # two of two: chance
    less = _answered(lambda place: 6 <= place < 40)
    assert forgotten(before, less, 0.1) is None  # six of sixty are allowed
    assert "40 were right before and 34 are now" in (forgotten(before, less, 0.05) or "")
    swapped = _answered(lambda place: 8 <= place < 44)
    assert forgotten(before, swapped, 0.05) is None  # eight lost and four won: chance
    guesses = _answered(lambda place: place < 20)  # of four answers each fifteen are right by chance
    assert forgotten(guesses, _answered(lambda place: False), 0.05) is None
