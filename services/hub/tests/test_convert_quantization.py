"""Quantization: which type each tensor gets, and what is lost by it."""

from __future__ import annotations

import ctypes
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as TensorKind
from hub_parts.engine import Engine
from hub_parts.models import TEXT, Library, TinyModel
from transformers import AutoTokenizer

from hone_hub.convert import Quant, convert
from hone_hub.convert.ggml import QUANTIZED, Quantizer, quantizer
from hone_hub.convert.quantize import Mix, encode, overflows
from hone_hub.errors import QuantizerUnusable, WeightsUnusable
from hone_hub.gguf import inspect

# Rows of 256 and 512, which blocks of K-quants fit; eight layers, so that the mixes have all their cases.
WIDE = TinyModel(
    (
        ("hidden_size", 256),
        ("intermediate_size", 512),
        ("num_hidden_layers", 8),
        ("tie_word_embeddings", False),
    ),
    seed=21,
    spread=0.05,
)
# What it may cost at most in nats, on random weights, which have no structure that a block could use.
BOUNDS = {
    Quant.Q8_0: 2e-3,
    Quant.Q6_K: 1e-2,
    Quant.Q5_K_M: 3e-2,
    Quant.Q5_0: 5e-2,
    Quant.Q4_K_M: 0.1,
    Quant.Q4_0: 0.16,
}


@pytest.fixture(scope="module", name="exact")
def _exact(library: Library, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    out = tmp_path_factory.mktemp("exact") / "m.gguf"
    convert(library.folder(WIDE), out, Quant.F32)
    return Engine(out)


def ids_of(library: Library) -> list[int]:
    ids: list[int] = AutoTokenizer.from_pretrained(library.folder(WIDE))(TEXT)["input_ids"]
    return ids


@pytest.mark.parametrize("quant", BOUNDS)
def test_each_quant_loads_and_changes_predictions_within_its_bound(
    library: Library, tmp_path: Path, exact: Engine, quant: Quant
) -> None:
    out = tmp_path / "m.gguf"
    report = convert(library.folder(WIDE), out, quant)
    inspected = inspect(out)
    assert inspected.ok and inspected.quant == quant.value.upper() and sum(report.tensor_types.values()) > 0
    engine, ids, divergences = Engine(out), ids_of(library), []
    for end in (1, 9, 40, 90):
        expected = exact.log_probabilities(ids[:end], report.vocabulary)
        found = engine.log_probabilities(ids[:end], report.vocabulary)
        divergences.append(float((np.exp(expected) * (expected - found)).sum()))
    assert 0 < np.mean(divergences) < BOUNDS[quant]


def test_smaller_quants_are_smaller(library: Library, tmp_path: Path) -> None:
    sizes = [convert(library.folder(WIDE), tmp_path / f"{quant}.gguf", quant).size_bytes for quant in Quant]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == len(sizes) - 1, (
        "f16 and bf16 are one size"
    )


def test_q4_k_m_gives_more_bits_to_what_matters(library: Library, tmp_path: Path) -> None:
    kinds = tensor_kinds(library, tmp_path, WIDE, Quant.Q4_K_M)
    matter = {0, 3, 6, 7}  # the first eighth, the last eighth, and every third between
    for layer in range(8):
        much = "Q6_K" if layer in matter else "Q4_K"
        assert kinds[f"blk.{layer}.attn_v.weight"] == kinds[f"blk.{layer}.ffn_down.weight"] == much, layer
        assert kinds[f"blk.{layer}.attn_q.weight"] == kinds[f"blk.{layer}.ffn_up.weight"] == "Q4_K"
        assert kinds[f"blk.{layer}.attn_norm.weight"] == "F32"
    assert kinds["output.weight"] == "Q6_K" and kinds["token_embd.weight"] == "Q4_K"


def test_a_tied_embedding_is_stored_as_the_output_that_it_is() -> None:
    assert Mix(Quant.Q4_K_M, 8, tied=True).kind("token_embd.weight", (406, 256)) is TensorKind.Q6_K
    assert Mix(Quant.Q4_0, 8, tied=True).kind("token_embd.weight", (406, 256)) is TensorKind.Q6_K
    assert Mix(Quant.Q8_0, 8, tied=True).kind("token_embd.weight", (406, 256)) is TensorKind.Q8_0


def test_fused_attention_gets_more_bits_as_llama_cpp_does() -> None:
    assert Mix(Quant.Q4_K_M, 8, tied=False).kind("blk.1.attn_qkv.weight", (768, 256)) is TensorKind.Q5_K
    assert Mix(Quant.Q5_K_M, 8, tied=False).kind("blk.1.attn_qkv.weight", (768, 256)) is TensorKind.Q6_K


@pytest.mark.parametrize(
    ("quant", "columns", "kind"),
    [
        (Quant.Q4_K_M, 96, TensorKind.Q5_0),
        (Quant.Q5_K_M, 96, TensorKind.Q5_1),
        (Quant.Q6_K, 96, TensorKind.Q8_0),
        (Quant.Q4_0, 72, TensorKind.F16),
        (Quant.Q4_K_M, 72, TensorKind.F16),
        (Quant.BF16, 72, TensorKind.BF16),
    ],
)
def test_rows_that_no_block_fits_get_the_next_type_that_does(
    quant: Quant, columns: int, kind: TensorKind
) -> None:
    assert Mix(quant, 8, tied=False).kind("blk.1.ffn_up.weight", (64, columns)) is kind


@pytest.mark.parametrize("kind", QUANTIZED, ids=lambda kind: kind.name)
def test_the_librarys_bytes_mean_what_went_in(kind: TensorKind) -> None:
    rows = np.random.default_rng(3).standard_normal((7, 768)).astype(np.float32) * 0.02
    encoded = encode(rows, kind)
    error = gguf.quants.dequantize(encoded, kind) - rows
    assert float(np.sqrt((error**2).mean() / (rows**2).mean())) < 0.12


def test_scales_that_no_float16_holds_are_found() -> None:
    rows = np.full((1, 256), 3e8, np.float32)
    rows[0, ::2] = -3e8
    for kind in QUANTIZED:
        assert overflows(encode(rows, kind), kind), kind.name
        assert not overflows(encode(rows * np.float32(1e-8), kind), kind), kind.name


def test_weights_too_large_for_the_quant_are_refused_by_name(library: Library, tmp_path: Path) -> None:
    import shutil  # noqa: PLC0415

    import safetensors.numpy  # noqa: PLC0415

    folder = tmp_path / "model"
    shutil.copytree(library.folder(WIDE), folder)
    weights = safetensors.numpy.load_file(folder / "model.safetensors")
    weights["model.layers.2.mlp.up_proj.weight"] *= np.float32(1e9)
    safetensors.numpy.save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(WeightsUnusable, match=r"blk\.2\.ffn_up.*--quant bf16"):
        convert(folder, tmp_path / "m.gguf", Quant.Q4_K_M)
    assert not (tmp_path / "m.gguf").exists()


def test_a_library_that_quantizes_otherwise_is_not_used() -> None:
    class Wrong:
        """Writes zeros, as a changed signature might."""

        class ggml_quantize_chunk:  # noqa: N801 (the library's name)
            restype = argtypes = None

            def __new__(cls, _kind: int, _source: int, target: int, *rest: object) -> int:  # type: ignore[misc]
                size: int = 4 * int(str(rest[2])) // 32 * 18
                ctypes.memset(target, 0, size)
                return size

    with pytest.raises(QuantizerUnusable, match="is not what the reference makes"):
        Quantizer(Wrong())  # type: ignore[arg-type]
    with pytest.raises(QuantizerUnusable, match="does not export"):
        Quantizer(ctypes.CDLL(None))
    assert quantizer() is quantizer(), "tested once"


def tensor_kinds(library: Library, folder: Path, model: TinyModel, quant: Quant) -> dict[str, str]:
    convert(library.folder(model), folder / "m.gguf", quant)
    return {tensor.name: tensor.tensor_type.name for tensor in gguf.GGUFReader(folder / "m.gguf").tensors}
