"""The same model in transformers and, converted, in llama.cpp."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from hub_parts.engine import Engine
from hub_parts.models import TEXT, Library, TinyModel
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM, AutoTokenizer

from hone_hub.convert import Quant, convert

LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
LINEAR_ROPE = {"rope_type": "linear", "rope_theta": 50000.0, "factor": 4.0}
UNTIED = ("tie_word_embeddings", False)

SHAPES = {
    "grouped heads, tied": TinyModel(),
    "all heads, untied": TinyModel((UNTIED, ("num_key_value_heads", 4)), seed=1),
    "one key-value head": TinyModel((("num_key_value_heads", 1), ("rms_norm_eps", 1e-3)), seed=2),
    "wide heads, odd vocabulary": TinyModel((("head_dim", 24), ("vocab_size", 467), UNTIED), seed=3),
    "narrow heads, odd sizes": TinyModel(
        (("head_dim", 8), ("hidden_size", 72), ("intermediate_size", 100)), seed=4
    ),
    "llama 3 rope": TinyModel((("rope_parameters", tuple(LLAMA3_ROPE.items())),), seed=5),
    "linear rope": TinyModel((("rope_parameters", tuple(LINEAR_ROPE.items())),), seed=6),
    "biases": TinyModel((("attention_bias", True), ("mlp_bias", True)), seed=7),
    "mistral": TinyModel((("sliding_window", None),), mistral=True, seed=8),
    "bf16 in shards": TinyModel((UNTIED,), dtype="bfloat16", shard_size="60KB", seed=9),
    "f16": TinyModel(dtype="float16", seed=10),
}
# transformers' reader knows neither biases nor rope factors of a llama GGUF.
READ_BACK = [name for name in SHAPES if name not in ("biases", "llama 3 rope", "linear rope")]


@pytest.fixture(params=SHAPES, name="shape")
def _shape(request: pytest.FixtureRequest) -> TinyModel:
    return SHAPES[request.param]


def converted(library: Library, model: TinyModel, quant: Quant, folder: Path) -> Path:
    out = folder / f"{quant}.gguf"
    convert(library.folder(model), out, quant)
    return out


def original(folder: Path, **source: str) -> Any:
    """Any, because transformers' models are not typed as callable."""
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **source)
    return model.eval()


def prompts(folder: Path) -> list[list[int]]:
    """Token ids from one token to 200, so that late positions are compared too."""
    ids = AutoTokenizer.from_pretrained(folder)(TEXT * 2)["input_ids"]
    return [ids[:1], ids[5:12], ids[:60], ids[20:220]]


def logits(model: Any, ids: list[int]) -> NDArray[np.float32]:
    with torch.no_grad():
        found: NDArray[np.float32] = (
            model(torch.tensor([ids])).logits[0].float().numpy()
        )  # [tokens, vocabulary]
    return found


def log_softmax(row: NDArray[np.float32]) -> NDArray[np.float64]:
    exact = row.astype(np.float64) - row.max()
    normalised: NDArray[np.float64] = exact - np.log(np.exp(exact).sum())
    return normalised


def test_logits_of_an_f32_file_equal_transformers(library: Library, tmp_path: Path, shape: TinyModel) -> None:
    folder = library.folder(shape)
    model, engine = original(folder), Engine(converted(library, shape, Quant.F32, tmp_path))
    for ids in prompts(folder):
        expected = log_softmax(logits(model, ids)[-1])
        found = engine.log_probabilities(ids, len(expected))
        assert np.ptp(expected) > 3, "a model this flat would prove nothing"
        np.testing.assert_allclose(found, expected, atol=5e-5)


@pytest.mark.parametrize("name", READ_BACK)
def test_transformers_reads_the_file_back_with_the_same_logits(
    library: Library, tmp_path: Path, name: str
) -> None:
    folder = library.folder(SHAPES[name])
    out = converted(library, SHAPES[name], Quant.F32, tmp_path)
    back = original(out.parent, gguf_file=out.name)
    for ids in prompts(folder):
        np.testing.assert_allclose(logits(back, ids), logits(original(folder), ids), atol=1e-5)


def test_greedy_text_is_the_same(library: Library, tmp_path: Path) -> None:
    folder = library.folder(TinyModel())
    model, engine = original(folder), Engine(converted(library, TinyModel(), Quant.F32, tmp_path))
    ids = AutoTokenizer.from_pretrained(folder)(TEXT)["input_ids"]
    for start in range(0, 40, 2):
        prompt = ids[start : start + 9]
        with torch.no_grad():
            expected = model.generate(torch.tensor([prompt]), max_new_tokens=24, do_sample=False)[0][
                len(prompt) :
            ]
        found = engine.greedy(prompt, 24)
        assert found[:24] == expected.tolist()[: len(found)] and len(found) >= min(24, len(expected) - 1)


@pytest.mark.parametrize(("quant", "bound"), [(Quant.F16, 1e-5), (Quant.BF16, 1e-3), (Quant.Q8_0, 5e-3)])
def test_a_smaller_type_changes_predictions_within_its_bound(
    library: Library, tmp_path: Path, quant: Quant, bound: float
) -> None:
    """Mean Kullback-Leibler divergence from the original, in nats."""
    folder = library.folder(TinyModel())
    model, engine = original(folder), Engine(converted(library, TinyModel(), quant, tmp_path))
    divergences = []
    for ids in prompts(folder):
        expected = log_softmax(logits(model, ids)[-1])
        found = engine.log_probabilities(ids, len(expected))
        divergences.append(float((np.exp(expected) * (expected - found)).sum()))
    assert np.mean(divergences) < bound


def test_q8_0_bytes_are_those_of_the_reference_quantizer(library: Library, tmp_path: Path) -> None:
    plain = tensors(converted(library, TinyModel(), Quant.F32, tmp_path))
    for name, tensor in tensors(converted(library, TinyModel(), Quant.Q8_0, tmp_path)).items():
        source = plain[name].data
        if source.ndim == 1:
            assert tensor.tensor_type == gguf.GGMLQuantizationType.F32
            np.testing.assert_array_equal(tensor.data, source)
        else:
            assert tensor.tensor_type == gguf.GGMLQuantizationType.Q8_0
            np.testing.assert_array_equal(
                tensor.data, gguf.quants.quantize(source, gguf.GGMLQuantizationType.Q8_0)
            )


def test_rows_that_no_q8_0_block_fits_stay_f16(library: Library, tmp_path: Path) -> None:
    shape = SHAPES["narrow heads, odd sizes"]  # width 72, feed-forward 100, heads 4 x 8 = 32
    kinds = {
        name: tensor.tensor_type.name
        for name, tensor in tensors(converted(library, shape, Quant.Q8_0, tmp_path)).items()
    }
    assert kinds["blk.0.attn_q.weight"] == kinds["blk.0.ffn_down.weight"] == "F16"
    assert kinds["blk.0.attn_output.weight"] == "Q8_0"
    assert kinds["blk.0.ffn_norm.weight"] == "F32"


def test_bf16_weights_stay_bit_for_bit(library: Library, tmp_path: Path) -> None:
    shape = SHAPES["bf16 in shards"]
    embedding = tensors(converted(library, shape, Quant.BF16, tmp_path))["token_embd.weight"].data
    expected = (
        original(library.folder(shape))
        .to(torch.bfloat16)
        .get_input_embeddings()
        .weight.detach()
        .view(torch.int16)
        .numpy()
    )
    np.testing.assert_array_equal(embedding.view(np.int16).reshape(expected.shape), expected)


def test_shards_are_really_several(library: Library) -> None:
    index = json.loads(
        (library.folder(SHAPES["bf16 in shards"]) / "model.safetensors.index.json").read_text()
    )
    assert len(set(index["weight_map"].values())) > 2


def test_a_sliding_window_limits_the_context_and_is_said(library: Library, tmp_path: Path) -> None:
    windowed = TinyModel((("sliding_window", 128),), mistral=True, seed=8)
    report = convert(library.folder(windowed), tmp_path / "w.gguf", Quant.F16)
    assert any("sliding window of 128" in warning for warning in report.warnings)
    assert field(tmp_path / "w.gguf", "llama.context_length") == 128


def tensors(path: Path) -> dict[str, gguf.ReaderTensor]:
    return {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}


def field(path: Path, key: str) -> object:
    return gguf.GGUFReader(path).fields[key].contents()
