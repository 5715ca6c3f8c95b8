"""Steps, micro-batches, and the tensors of one; rows of several sequences, blind to each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from hone_trainer.tuning.data.batches import MicroBatch, Step, attention_mask, collate, plan

torch.set_num_threads(1)
PAD, VOCABULARY = 0, 97


class Data:
    """Sequences as `Tokenised` gives them."""

    def __init__(self, lengths: Sequence[int], seed: int = 0) -> None:
        random = np.random.RandomState(seed)
        self.lengths = np.array(lengths, np.int64)
        self.weights = random.uniform(0.5, 2, len(lengths)).astype(np.float32)
        self._tokens = [random.randint(1, VOCABULARY, length).astype(np.int32) for length in lengths]
        self._trained = [np.arange(length) >= max(1, length // 2) for length in lengths]

    def tokens(self, i: int) -> NDArray[np.int32]:
        return self._tokens[i]

    def trained(self, i: int) -> NDArray[np.bool_]:
        return self._trained[i]


def members(step: Step) -> list[int]:
    return [each for micro in step for row in micro.rows for each in row]


def padded(micro: MicroBatch, lengths: Sequence[int]) -> int:
    """Tokens that go through the model."""
    return len(micro.rows) * max(sum(lengths[each] for each in row) for row in micro.rows)


LENGTHS = st.lists(st.integers(1, 300), min_size=1, max_size=60)
PLANS: dict[str, Any] = {
    "batch": st.integers(1, 40),
    "micro_tokens": st.integers(1, 600),
    "packed": st.booleans(),
    "epochs": st.floats(0.05, 4),
    "seed": st.integers(0, 2**31),
}


@settings(max_examples=200, deadline=None)
@given(lengths=LENGTHS, **PLANS)
def test_a_plan_draws_each_sequence_once_before_any_is_drawn_again(lengths: list[int], **told: Any) -> None:
    steps = plan(lengths, **told)
    batch = min(told["batch"], len(lengths))
    assert all(len(members(step)) == batch for step in steps)
    assert len(steps) == max(1, round(told["epochs"] * len(lengths) / batch))
    drawn = Counter(each for step in steps for each in members(step))
    counts = [drawn[each] for each in range(len(lengths))]
    assert max(counts) - min(counts) <= 1


@settings(max_examples=200, deadline=None)
@given(lengths=LENGTHS, **PLANS)
def test_a_micro_batch_holds_at_most_its_tokens_or_one_sequence(lengths: list[int], **told: Any) -> None:
    for step in plan(lengths, **told):
        longest = max(lengths[each] for each in members(step))
        for micro in step:
            assert padded(micro, lengths) <= told["micro_tokens"] or len(micro.rows) == 1
            assert all(sum(lengths[each] for each in row) <= longest for row in micro.rows)
            assert told["packed"] or all(len(row) == 1 for row in micro.rows)


@settings(max_examples=50, deadline=None)
@given(lengths=LENGTHS, **PLANS)
def test_a_plan_is_a_function_of_its_arguments(lengths: list[int], **told: Any) -> None:
    assert plan(lengths, **told) == plan(np.array(lengths, np.int64), **told)


@settings(max_examples=100, deadline=None)
@given(lengths=LENGTHS, micro_tokens=st.integers(100, 2000), seed=st.integers(0, 99))
def test_sorting_by_length_never_costs_padding(lengths: list[int], micro_tokens: int, seed: int) -> None:
    """Beside the same sequences cut in the order they were drawn, each micro-batch counted as 64 tokens more."""
    [step] = plan(lengths, batch=len(lengths), micro_tokens=micro_tokens, packed=False, epochs=1.0, seed=seed)
    drawn = np.random.RandomState(seed).permutation(len(lengths)).tolist()
    naive: list[list[int]] = [[]]
    for each in drawn:
        longest = max([lengths[each], *(lengths[other] for other in naive[-1])])
        if naive[-1] and (len(naive[-1]) + 1) * longest > micro_tokens:
            naive.append([])
        naive[-1].append(each)
    cost = sum(padded(micro, lengths) + 64 for micro in step)
    assert cost <= sum(len(group) * max(lengths[each] for each in group) + 64 for group in naive)


def test_epochs_come_in_other_orders_and_seeds_too() -> None:
    same: dict[str, Any] = {"batch": 10, "micro_tokens": 500, "packed": False}
    steps = plan([9] * 50, epochs=2.0, seed=1, **same)
    assert steps[:5] != steps[5:]
    assert plan([9] * 50, epochs=1.0, seed=2, **same) != steps[:5]


def test_nothing_is_planned_of_nothing() -> None:
    assert plan([], batch=4, micro_tokens=99, packed=True, epochs=3.0, seed=0) == []


def test_what_is_planned_stays_what_it_is() -> None:
    """A run is resumed by planning again, also by a later version."""
    steps = plan([5, 3, 8, 1, 4], batch=2, micro_tokens=16, packed=False, epochs=1.0, seed=7)
    assert [[micro.rows for micro in step] for step in steps] == [[((4,), (1,))], [((2,), (3,))]]


def test_a_batch_has_each_sequence_where_it_belongs() -> None:
    data = Data([4, 2, 5])
    batch = collate(data, MicroBatch(((0, 1), (2,))), PAD)
    first, second, third = (data.tokens(each).tolist() for each in range(3))
    assert batch["input_ids"].tolist() == [[*first, *second], [*third, PAD]]
    assert batch["sequence_ids"].tolist() == [[1, 1, 1, 1, 2, 2], [1, 1, 1, 1, 1, 0]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 3, 0, 1], [0, 1, 2, 3, 4, 5]]
    labels = [[-100, -100, *first[2:], -100, second[1]], [-100, -100, *third[2:], -100]]
    assert batch["labels"].tolist() == labels
    assert batch["weights"][0, 4] == data.weights[1]
    assert batch["weights"][1, 5] == 0


def test_the_first_token_of_a_packed_sequence_is_never_trained() -> None:
    """What stands before it is another sequence."""
    data = Data([3, 3])
    data._trained = [np.ones(3, np.bool_)] * 2
    assert collate(data, MicroBatch(((0, 1),)), PAD)["labels"][0].tolist().count(-100) == 2


_SAME: dict[str, Any] = {
    "vocab_size": VOCABULARY, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 128, "pad_token_id": PAD,
}  # fmt: skip
_EAGER: dict[str, Any] = {"attn_implementation": "eager"}
_EVERY_SECOND: dict[str, Any] = {"sliding_window_pattern": 2}
_GEMMA: dict[str, Any] = {"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 7}
MODELS: dict[str, Any] = {
    "llama": lambda: LlamaForCausalLM(LlamaConfig(**_SAME)),
    "qwen2": lambda: Qwen2ForCausalLM(Qwen2Config(**_SAME)),
    "qwen2, sliding": lambda: Qwen2ForCausalLM(
        Qwen2Config(**_SAME, use_sliding_window=True, sliding_window=7, max_window_layers=1)
    ),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**_SAME, head_dim=8)),
    "gemma3, sliding": lambda: Gemma3ForCausalLM(Gemma3TextConfig(**_SAME, **_GEMMA, **_EVERY_SECOND)),
    "gemma2, sliding and capped": lambda: Gemma2ForCausalLM(
        Gemma2Config(**_SAME, **_GEMMA, **_EAGER)
    ),
    "mistral, sliding": lambda: MistralForCausalLM(MistralConfig(**_SAME, sliding_window=7)),
    "phi3, sliding": lambda: Phi3ForCausalLM(Phi3Config(**_SAME, sliding_window=7)),
}  # fmt: skip


def hidden(model: Any, batch: dict[str, Tensor], packed: bool) -> Tensor:
    """[rows, length, width]"""
    found: Tensor = model.get_decoder()(
        input_ids=batch["input_ids"],
        attention_mask=attention_mask(batch["sequence_ids"], packed, torch.float32),
        position_ids=batch["position_ids"],
        use_cache=False,
    ).last_hidden_state
    return found


@pytest.mark.parametrize("name", MODELS)
@torch.no_grad()
def test_packed_and_padded_sequences_are_read_as_alone(name: str) -> None:
    torch.manual_seed(3)
    model = MODELS[name]().eval()
    data = Data([20, 9, 13, 1, 20, 17, 4])
    [step] = plan(data.lengths, batch=7, micro_tokens=64, packed=True, epochs=1.0, seed=0)
    assert any(len(row) > 1 for micro in step for row in micro.rows)
    [loose] = plan(data.lengths, batch=7, micro_tokens=64, packed=False, epochs=1.0, seed=0)
    assert any(len(micro.rows) > 1 for micro in loose)
    for packed, its in ((True, step), (False, loose)):
        for micro in its:
            batch = collate(data, micro, PAD)
            found = hidden(model, batch, packed)
            for at, row in enumerate(micro.rows):
                start = 0
                for each in row:
                    alone = model.get_decoder()(
                        input_ids=torch.from_numpy(data.tokens(each).astype(np.int64))[None], use_cache=False
                    ).last_hidden_state[0]
                    stop = start + len(alone)
                    torch.testing.assert_close(found[at, start:stop], alone, atol=2e-5, rtol=1e-4)
                    start = stop
