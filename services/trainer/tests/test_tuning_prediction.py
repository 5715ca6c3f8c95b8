"""What a run will take is told before it takes any, and what is auto is picked so that it fits."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the trainer's training packages are not installed")
pytest.importorskip("peft")

from peft import LoraConfig, get_peft_model  # noqa: E402
from transformers import AutoModelForCausalLM, Gemma2Config, Gemma3TextConfig, LlamaConfig, Qwen2Config  # noqa: E402

from hone_trainer.tuning import machine_memory, memory, prediction, room, settled  # noqa: E402
from hone_trainer.tuning.errors import BaseUnfit, NotEnoughDisk, NotEnoughMemory  # noqa: E402
from hone_trainer.tuning.prediction import Costs, Way  # noqa: E402
from hone_trainer.tuning.settings import Layer, Resolved, resolve  # noqa: E402
from hone_trainer.tuning.simulation import Blank, Shape  # noqa: E402

GB = 1_000_000_000
SMALL: dict[str, Any] = {
    "vocab_size": 1000,
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_attention_heads": 4,
}
CONFIGS: dict[str, Any] = {
    "llama": LlamaConfig(**SMALL, num_hidden_layers=2, num_key_value_heads=2),
    "qwen": Qwen2Config(**SMALL, num_hidden_layers=2, num_key_value_heads=2, tie_word_embeddings=True),
    "gemma2": Gemma2Config(**SMALL, num_hidden_layers=2, num_key_value_heads=2, head_dim=32),
    "gemma3": Gemma3TextConfig(**SMALL, num_hidden_layers=7, num_key_value_heads=1, head_dim=32),
}
WIDE: dict[str, Any] = {
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
}
EIGHT_BILLION = LlamaConfig(vocab_size=128256, num_hidden_layers=32, **WIDE)
ONE_BILLION = LlamaConfig(vocab_size=32000, num_hidden_layers=3, **WIDE)


@dataclass
class Rows:
    """Of `Tokenised`, what a prediction reads."""

    lengths: "np.ndarray[Any, Any]"

    def __len__(self) -> int:
        return len(self.lengths)


def rows(*lengths: int) -> Any:
    return Rows(np.array(lengths, np.int64))


def told(device: str = "cpu", **values: Any) -> Resolved:
    dtype = "bf16" if device == "cuda" else "fp32"
    return resolve("lora", Layer("set", {"device": device, "dtype": dtype, "threads": 1, **values}))


def _made(config: Any) -> Any:
    return AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]


def saved(config: Any, folder: Path) -> Path:
    config.save_pretrained(folder)
    return folder


@pytest.fixture
def small(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    _made(CONFIGS["llama"]).save_pretrained(tmp_path / "base")
    return tmp_path / "base"


@pytest.mark.parametrize("family", CONFIGS)
def test_a_simulated_step_takes_what_a_real_one_keeps(family: str, tmp_path: Path) -> None:
    """What autograd keeps of the real forward on the CPU, but for attention's own, is what the simulation counts."""
    folder = saved(CONFIGS[family], tmp_path)
    blank = Blank(folder, told().settings, "fp32", four_bit=False)
    one, two = (blank.step(Shape(rows, 64), checkpointing=False) for rows in (2, 4))
    again = blank.step(Shape(2, 64), checkpointing=True)
    assert again.kept_bytes < one.kept_bytes / 3
    assert again.operations > one.operations * 1.2
    assert two.operations == pytest.approx(2 * one.operations)
    assert blank.step(Shape(2, 64), checkpointing=False) == one, "counting leaves nothing behind"

    model: Any = _made(CONFIGS[family])
    assert blank.sizes.weights == sum(each.numel() for each in model.parameters())
    model.requires_grad_(False)
    adapted: Any = get_peft_model(model, LoraConfig(r=16, target_modules="all-linear", task_type="CAUSAL_LM"))
    trained = [each for each in adapted.parameters() if each.requires_grad]
    assert blank.sizes.adapter == sum(each.numel() for each in trained)
    own = {each.untyped_storage().data_ptr() for each in adapted.parameters()}
    kept: dict[int, Any] = {}

    def keep(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage
        return tensor

    mask: Any = torch.ones(2, 1, 64, 64, dtype=torch.bool).tril()
    if len(set(blank.layers)) > 1:
        mask = dict.fromkeys(blank.layers, mask)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        ids = torch.zeros(2, 64, dtype=torch.long)
        hidden = model.get_decoder()(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    slopes = hidden[:, :-1].nbytes  # of the loss, which keeps nothing else
    real = slopes + sum(storage.nbytes() for storage in kept.values())
    assert one.kept_bytes == pytest.approx(real, rel=0.1)


def test_what_a_micro_batch_takes_grows_evenly_with_its_rows(tmp_path: Path) -> None:
    blank = Blank(saved(CONFIGS["llama"], tmp_path), told().settings, "fp32", four_bit=False)
    peaks = [blank.step(Shape(rows, 128), checkpointing=False).peak_bytes for rows in (1, 2, 8)]
    assert peaks[2] == pytest.approx(peaks[0] + 7 * (peaks[1] - peaks[0]), rel=0.02)


def test_eight_billion_weights_in_four_bits_fit_nine_gigabytes_and_in_sixteen_do_not(tmp_path: Path) -> None:
    folder = saved(EIGHT_BILLION, tmp_path)
    costs = Costs(folder, told("cuda").settings, 1024)
    assert costs.blank(True).sizes.weights == 8_030_261_248
    small = costs.parts(Way(True, True, 2048))
    assert small["weights"] == pytest.approx(5.7e9, rel=0.01)
    assert 7 * GB < sum(small.values()) < 9 * GB
    assert costs.peak(Way(False, True, 2048)) > 17 * GB
    # Two operations a weight and token forward, two for the gradient by the input; none for those of frozen weights.
    matrices = costs.blank(True).sizes.weights - 128256 * 4096
    assert costs.operations_a_token(Way(False, False, 1024)) == pytest.approx(4 * matrices, rel=0.1)


@pytest.mark.parametrize(
    ("free", "expected"),
    [(40 * GB, (False, False)), (5 * GB, (False, False)), (4 * GB, (False, True)), (2 * GB, (True, True))],
)
def test_auto_takes_the_fastest_way_that_fits(free: int, expected: tuple[bool, bool], billion: Costs) -> None:
    way = prediction._fitting(billion, free)
    assert (way.four_bit, way.checkpointing) == expected
    fitting = [each for each in prediction._ways(billion.settings, 1024) if billion.peak(each) <= free * 0.92]
    assert way == fitting[0]


@pytest.fixture(scope="module")
def billion(tmp_path_factory: pytest.TempPathFactory) -> Costs:
    folder = saved(ONE_BILLION, tmp_path_factory.mktemp("billion"))
    return Costs(folder, told("cuda", batch=4).settings, 1024)


def test_what_does_not_fit_is_refused_with_what_to_change(billion: Costs) -> None:
    chosen = {"four_bit": False, "checkpointing": False, "micro_tokens": 8192}
    with pytest.raises(NotEnoughMemory) as caught:
        prediction._fitting(Costs(billion.base, told("cuda", **chosen).settings, 1024), GB)
    detail = caught.value.body().detail or ""
    changes = (
        "micro_tokens=1024",
        "checkpointing=true",
        "four_bit=true",
        "most_tokens=512",
        "smaller base",
        "force",
    )
    for change in changes:
        assert change in detail
    forced = told("cuda", **chosen, force=True).settings
    assert prediction._fitting(Costs(billion.base, forced, 1024), GB) == Way(False, False, 8192)


def test_what_a_person_chose_is_not_picked_for_them(small: Path, tmp_path: Path) -> None:
    resolved = told(micro_tokens=96, checkpointing=True, four_bit=False)
    picked, predicted = prediction.decide(small, resolved, rows(64, 32), rows(16), tmp_path)
    settings = picked.settings
    assert (settings.micro_tokens, settings.checkpointing, settings.four_bit) == (96, True, False)
    assert picked.sources["checkpointing"] == "set"
    assert predicted["memory"]["fits"]
    assert predicted["memory"]["peak_bytes"] == sum(predicted["memory"]["parts"].values())
    assert 0 < predicted["seconds"] < 60
    json.dumps(predicted)


def test_a_micro_batch_has_room_for_the_longest_sequence_and_no_more_than_a_step(
    small: Path, tmp_path: Path
) -> None:
    picked, _ = prediction.decide(small, told(batch=4), rows(300, 20), rows(700), tmp_path)
    assert picked.settings.micro_tokens == 2048
    picked, _ = prediction.decide(small, told(batch=1), rows(100), rows(20), tmp_path)
    assert picked.settings.micro_tokens == 128
    assert picked.sources["micro_tokens"] == "auto"


def test_whoever_goes_on_from_a_checkpoint_takes_what_was_picked_when_it_began(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker with less memory would choose smaller micro-batches, and so another sum."""
    picked, _ = prediction.decide(small, told(batch=4), rows(300), rows(30), tmp_path)
    assert settled.earlier(tmp_path / "checkpoints") == {}
    settled.keep(tmp_path / "checkpoints", picked)
    assert settled.earlier(tmp_path / "checkpoints") == {}, "there is nothing to go on from yet"
    (tmp_path / "checkpoints" / "step-1").mkdir()

    narrow = machine_memory.Memory(GB, 290_000_000)
    monkeypatch.setattr(memory, "of_device", lambda _: narrow)
    other, _ = prediction.decide(small, told(batch=4), rows(300), rows(30), tmp_path)
    assert other.settings != picked.settings
    kept = told(batch=4).picked(**settled.earlier(tmp_path / "checkpoints"))
    assert kept.settings.micro_tokens == picked.settings.micro_tokens
    assert kept.sources["micro_tokens"] == "auto"
    for torn in ("[1, ", "[1]", '{"unknown": 1}', ""):
        (tmp_path / "checkpoints" / "picked.json").write_text(torn)
        assert settled.earlier(tmp_path / "checkpoints") == {}


def test_a_disk_that_is_too_small_for_everything_together_is_refused_before_anything_is_written(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = room.parts_of(small, told().settings, adapter=1000, tokens=100)
    assert parts["merged"] == sum(
        tensor.numel() * 4 for tensor in AutoModelForCausalLM.from_pretrained(small).state_dict().values()
    )
    needed = sum(parts.values())
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=needed))
    room.check({tmp_path / "not/there/yet": parts})
    with pytest.raises(NotEnoughDisk) as caught:
        room.check({tmp_path / "a": parts, tmp_path / "b": {"tokens": 1}})
    assert "checkpoints 0.00, adapter" in (caught.value.body().detail or "")
    assert caught.value.body().status == 507
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(NotEnoughDisk):
        prediction.decide(small, told(), rows(30), rows(10), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_memory_is_what_the_container_leaves(tmp_path: Path) -> None:
    machine = machine_memory.of_machine(tmp_path)
    (tmp_path / "memory.max").write_text("2000000000\n")
    (tmp_path / "memory.current").write_text("1500000000\n")
    (tmp_path / "memory.stat").write_text("anon 1000000000\ninactive_file 300000000\n")
    assert machine_memory.of_machine(tmp_path) == machine_memory.Memory(2_000_000_000, 800_000_000)
    (tmp_path / "memory.max").write_text("max\n")
    assert machine_memory.of_machine(tmp_path).total_bytes == machine.total_bytes


@pytest.mark.parametrize(
    "config",
    [
        '{"model_type": "llama", "num_hidden_layers": 1000000000}',
        '{"model_type": "llama", "hidden_size": -4}',
        '{"model_type": "nothing-known"}',
        '{"model_type": "llama", "hidden_size": 100, "num_attention_heads": 0}',
        "[]",
        "{",
    ],
)
def test_a_config_that_no_model_has_is_refused_at_once(config: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(config)
    with pytest.raises(BaseUnfit) as caught:
        Blank(tmp_path, told().settings, "fp32", four_bit=False)
    assert str(caught.value).isprintable()


_RUN = """
import gc, json, re, sys
from pathlib import Path

import torch

from hone_trainer.tuning import base, loss
from hone_trainer.tuning.settings import Layer, resolve


def now(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024


torch.set_num_threads(1)
folder, rows, length, again = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "True"
told = dict(device="cpu", dtype="fp32", threads=1, micro_tokens=rows * length, most_tokens=length, packing=False,
            eval_every=1, save_every=1, four_bit=False, checkpointing=again)
settings = resolve("lora", Layer("set", told)).decided()
gc.collect()
before = now("VmRSS")
model = base.load_model(folder, "cpu", "fp32")
if again:
    model.activation_checkpointing_enable({"use_reentrant": False})
adapted = base.with_adapter(model, settings, folder).train()
optimizer = torch.optim.AdamW([each for each in adapted.parameters() if each.requires_grad])
for _ in range(2):
    ids = torch.randint(0, model.config.vocab_size, (rows, length))
    mask = torch.ones(rows, 1, length, length, dtype=torch.bool).tril()
    hidden = model.get_decoder()(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    flat = hidden[:, :-1].reshape(-1, hidden.shape[-1])
    head, vocabulary = model.get_output_embeddings(), model.config.vocab_size
    total = loss.token_losses(flat, ids[:, 1:].reshape(-1), head, vocabulary).sum()
    del hidden, flat
    total.backward()
    optimizer.step()
print(json.dumps(now("VmHWM") - before))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads Linux's own figures")
@pytest.mark.parametrize(("shape", "again"), [(Shape(2, 512), False), (Shape(2, 512), True)])
def test_the_memory_that_is_predicted_is_what_a_run_takes(shape: Shape, again: bool, tmp_path: Path) -> None:
    config = LlamaConfig(
        vocab_size=32000, hidden_size=512, intermediate_size=1536, num_hidden_layers=8, num_attention_heads=8,
        num_key_value_heads=4,
    )  # fmt: skip
    _made(config).save_pretrained(tmp_path)
    size = shape.rows * shape.length
    costs = Costs(tmp_path, told().settings, shape.length)
    peak = costs.peak(Way(False, again, size))
    command = [sys.executable, "-c", _RUN, str(tmp_path), str(shape.rows), str(shape.length), str(again)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=True)
    taken = json.loads(done.stdout.splitlines()[-1])
    assert peak == pytest.approx(taken, rel=0.25)
