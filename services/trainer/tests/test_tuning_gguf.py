"""A served file's weights, back in the model they were made of: what is measured is what llama.cpp computes with."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from hub_parts.engine import Engine
from hub_parts.families import FAMILIES, make
from hub_parts.models import Library, TinyModel
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM

from hone_hub.convert import Quant, convert
from hone_trainer.tuning import gguf_model
from hone_trainer.tuning.errors import FileNotTheModel

torch.set_num_threads(1)

IDS = torch.arange(40, 60).unsqueeze(0)
LOADED = [
    name for name in FAMILIES if not name.startswith("mistral3")
]  # which is no causal model of transformers
WIDE = TinyModel(
    (("hidden_size", 256), ("intermediate_size", 512), ("tie_word_embeddings", False)), seed=21, spread=0.05
)


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model(input_ids=IDS).logits[0].float()
    return found


def loaded(folder: Path) -> Any:
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    return model.eval()


def spoiled(folder: Path) -> Any:
    """The model with none of its text's weights left."""
    model = loaded(folder)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "vision" not in name and "projector" not in name:
                weight.fill_(7.0)
    return model


@pytest.mark.parametrize("family", LOADED)
def test_every_weight_of_every_family_comes_back(tmp_path: Path, family: str) -> None:
    folder = make(family, tmp_path / "model")
    convert(folder, tmp_path / "m.gguf", Quant.F32)
    expected = loaded(folder)
    model = spoiled(folder)
    filled = gguf_model.fill(model, tmp_path / "m.gguf")
    for (name, weight), (_, right) in zip(model.named_parameters(), expected.named_parameters(), strict=True):
        torch.testing.assert_close(weight, right, atol=1e-6, rtol=0, msg=name)
    assert (logits(model) - logits(expected)).abs().max() < 1e-4
    assert filled.quantization == "f32" and set(filled.types) == {"F32"}


@pytest.fixture(scope="module", name="wide")
def _wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Library(tmp_path_factory.mktemp("wide")).folder(WIDE)


@pytest.mark.parametrize("quant", Quant)
def test_what_is_measured_is_what_llama_cpp_computes_with(tmp_path: Path, wide: Path, quant: Quant) -> None:
    convert(wide, tmp_path / "m.gguf", quant)
    model = spoiled(wide)
    filled = gguf_model.fill(model, tmp_path / "m.gguf")
    ours, exact = (_log_probabilities(each) for each in (model, loaded(wide)))
    theirs = Engine(tmp_path / "m.gguf").log_probabilities(IDS[0].tolist(), len(ours))
    # llama.cpp rounds activations, too, to 8 bits or bf16: that is left between the two.
    assert _divergence(theirs, ours) < 2e-3
    assert filled.quantization == quant.value
    if quant.value.startswith("q4"):
        assert _divergence(theirs, exact) > 5 * _divergence(theirs, ours)


def _log_probabilities(model: Any) -> NDArray[np.float64]:
    found: NDArray[np.float64] = torch.log_softmax(logits(model)[-1].double(), -1).numpy()
    return found


def _divergence(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Kullback and Leibler's, in nats; ``one`` is known up to a constant."""
    one = one - np.logaddexp.reduce(one)
    return float((np.exp(one) * (one - other)).sum())


@pytest.fixture(scope="module", name="small")
def _small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make("qwen3", tmp_path_factory.mktemp("small") / "model")
    convert(folder, folder / "m.gguf", Quant.F16)
    return folder


def _cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


BROKEN: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "cut short": (_cut, "cannot be read"),
    "only the beginning": (lambda data: data[:40], "cannot be read"),
    "no GGUF": (lambda data: b"nonsense" + data[8:], "cannot be read"),
    "empty": (lambda data: b"", "cannot be read"),
    "another family": (lambda data: data.replace(b"qwen3", b"qwen9"), "qwen9"),
    "another tensor": (lambda data: data.replace(b"blk.1.attn_q.weight", b"blk.1.attn_z.weight"), "lacks"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_told_in_one_line(tmp_path: Path, small: Path, case: str) -> None:
    change, words = BROKEN[case]
    (tmp_path / "m.gguf").write_bytes(change((small / "m.gguf").read_bytes()))
    with pytest.raises(FileNotTheModel, match=words) as refused:
        gguf_model.fill(spoiled(small), tmp_path / "m.gguf")
    assert refused.value.detail.isprintable()


def test_the_file_of_another_model_is_told(tmp_path: Path, small: Path) -> None:
    other = make("qwen3, tied", tmp_path / "other")
    with pytest.raises(FileNotTheModel, match=r"holds|lacks|and the model as"):
        gguf_model.fill(spoiled(other), small / "m.gguf")
    assert len(GGUFReader(small / "m.gguf").tensors) > 30  # it was a whole file
