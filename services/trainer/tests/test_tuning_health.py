"""What is merged has finite numbers, and knows when to stop."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tuning_parts import make_base, rows, write_rows

from hone_trainer.tuning import health
from hone_trainer.tuning.base import Reading, load_model, load_tokenizer, with_adapter
from hone_trainer.tuning.data.batches import MicroBatch
from hone_trainer.tuning.data.tokenised import Tokenised, tokenise
from hone_trainer.tuning.errors import NotHealthy
from hone_trainer.tuning.settings import Layer, resolve
from hone_trainer.tuning.sft import trained_losses

torch.set_num_threads(1)

SETTINGS = resolve(
    "lora",
    Layer(
        "set",
        {
            "rank": 8, "micro_tokens": 256, "most_tokens": 256, "packing": False, "eval_every": 3, "save_every": 1,
            "device": "cpu", "dtype": "fp32", "four_bit": False, "checkpointing": False, "threads": 1,
        },
    ),
).decided()  # fmt: skip


class Endless:
    """The same data with a mask that leaves out the ends of turns."""

    def __init__(self, data: Tokenised, ends: frozenset[int]) -> None:
        self._data, self._ends = data, sorted(ends)
        self.lengths, self.weights = data.lengths, data.weights

    def tokens(self, place: int) -> Any:
        return self._data.tokens(place)

    def trained(self, place: int) -> Any:
        return np.asarray(self._data.trained(place)) & ~np.isin(self._data.tokens(place), self._ends)


@dataclass
class Patient:
    model: Any
    data: Tokenised
    reading: Reading

    def learn(self, steps: int, data: Any = None) -> None:
        optimizer = torch.optim.AdamW(
            [each for each in self.model.parameters() if each.requires_grad], lr=2e-2
        )
        micro = MicroBatch(tuple((each,) for each in range(len(self.data))))
        self.model.train()
        for _ in range(steps):
            taught = cast(Tokenised, data or self.data)
            losses, _ = trained_losses(self.model, taught, micro, SETTINGS, self.reading.pad_id)
            mean: Any = losses.mean()
            mean.backward()
            optimizer.step()
            optimizer.zero_grad()

    def check(self) -> health.Health:
        return health.check(self.model, self.data, self.reading)


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    base = make_base(tmp_path / "base", "llama")
    weights = load_file(base / "model.safetensors")
    weights["lm_head.weight"] *= 20  # as transformers starts it, a frozen head can say nothing
    save_file(weights, base / "model.safetensors", {"format": "pt"})
    reading = load_tokenizer(base)
    path = write_rows(tmp_path / "rows.jsonl", rows(6))
    data = tokenise(path, reading, kind="sft", most_tokens=256, cache=tmp_path / "cache")
    return Patient(with_adapter(load_model(base, "cpu", "fp32"), SETTINGS, base), data, reading)


def test_a_model_that_learned_to_stop_is_healthy_at_once(patient: Patient) -> None:
    patient.learn(40)
    told: list[str] = []
    found = health.check(patient.model, patient.data, patient.reading, told.append)
    assert found.stopped >= 2 and (found.asked, found.note, found.end_chance) == (4, "", None)
    assert len(told) == 2


def test_a_mask_that_leaves_out_the_end_of_turns_is_found(patient: Patient) -> None:
    patient.learn(40, Endless(patient.data, patient.reading.end_ids))
    with pytest.raises(NotHealthy, match=r"4 of 4 answers do not end .*eos_token_id"):
        patient.check()


def test_a_short_training_that_is_on_its_way_passes_with_a_note(patient: Patient) -> None:
    patient.learn(2, Endless(patient.data, patient.reading.end_ids))
    found = patient.check()
    assert found.stopped < 2 and "do not end" in found.note
    assert found.end_chance is not None and found.end_chance < 0.5


def test_the_base_is_judged_without_the_adapter_which_is_there_again_afterwards(patient: Patient) -> None:
    patient.learn(2)
    first, second = patient.check(), patient.check()
    assert first == second and first.end_chance != first.end_chance_base


def _adapter(patient: Patient) -> None:
    name, weight = next(each for each in patient.model.named_parameters() if "lora_B" in each[0])
    assert name
    weight[0, 0] = torch.inf


def _base(patient: Patient) -> None:
    patient.model.get_base_model().model.norm.weight[0] = torch.nan


@pytest.mark.parametrize(("spoil", "words"), [(_adapter, "lora_B"), (_base, "no finite likelihood")])
def test_numbers_that_are_none_are_found(
    patient: Patient, spoil: Callable[[Patient], None], words: str
) -> None:
    with torch.no_grad():
        spoil(patient)
    with pytest.raises(NotHealthy, match=words):
        patient.check()
