"""What is no model that can be converted: each kind is refused with what to do instead, and nothing is written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hub_parts.families import make
from hub_parts.models import Library, TinyModel

from hone_hub.convert import Quant, convert
from hone_hub.errors import HubError, ModelUnsupported, SourceInvalid, SourceUnsafe


@pytest.fixture(name="folder")
def _folder(library: Library, tmp_path: Path) -> Path:
    """A model that is converted as it stands."""
    return Path(shutil.copytree(library.folder(TinyModel()), tmp_path / "model"))


def only(folder: Path, name: str, content: bytes = b"{}") -> None:
    for path in folder.iterdir():
        path.unlink()
    (folder / name).write_bytes(content)


def with_config(**changes: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def no_longer_safetensors(folder: Path, name: str) -> None:
    (folder / "model.safetensors").rename(folder / name)


KINDS: dict[str, tuple[Callable[[Path], None], type[HubError], str, str]] = {
    "an adapter": (
        lambda folder: only(folder, "adapter_config.json"), ModelUnsupported, "adapter", "merge it into its base",
    ),
    "a diffusion model": (
        lambda folder: only(folder, "model_index.json"), ModelUnsupported, "images", "a model for text",
    ),
    "a GGUF": (
        lambda folder: only(folder, "a-Q8_0.gguf"), ModelUnsupported, "need no conversion", "hone hub add",
    ),
    "the authors' own layout": (
        lambda folder: only(folder, "params.json"), ModelUnsupported, "own layout", "-hf",
    ),
    "nothing known": (lambda folder: only(folder, "README.md"), SourceInvalid, "config.json is missing", "again"),
    "a pickle": (
        lambda folder: no_longer_safetensors(folder, "pytorch_model.bin"), SourceUnsafe, "can run code",
        "safe_serialization",
    ),
    "another pickle": (
        lambda folder: no_longer_safetensors(folder, "consolidated.00.pth"), SourceUnsafe, "can run code",
        "safe_serialization",
    ),
    "no weights": (
        lambda folder: (folder / "model.safetensors").unlink(), SourceInvalid, "no model.safetensors",
        "safetensors weights",
    ),
    "code of its own": (
        with_config(auto_map={"AutoModelForCausalLM": "modeling_x.XForCausalLM"}), SourceUnsafe,
        "does not run", "GGUF",
    ),
    "a mixture of experts": (
        with_config(architectures=["MixtralForCausalLM"]), ModelUnsupported, "MixtralForCausalLM", "GGUF",
    ),
    "an encoder": (with_config(architectures=["BertModel"]), ModelUnsupported, "BertModel", "GGUF"),
    "a judge of texts": (
        with_config(architectures=["Qwen2ForSequenceClassification"]), ModelUnsupported, "Sequence", "GGUF",
    ),
    "GPTQ": (
        with_config(quantization_config={"quant_method": "gptq"}), ModelUnsupported, "quantized already", "original",
    ),
    "MLX": (
        with_config(quantization={"bits": 4, "group_size": 64}), ModelUnsupported, "quantized already", "original",
    ),
    "images and a text part of another kind": (
        with_config(architectures=["Gemma3ForConditionalGeneration"], text_config={"model_type": "llama"}),
        ModelUnsupported, "'llama'", "GGUF",
    ),
    "images without a text part": (
        with_config(architectures=["Mistral3ForConditionalGeneration"]), ModelUnsupported, "text part", "GGUF",
    ),
    "images and a text part of text": (
        with_config(architectures=["Mistral3ForConditionalGeneration"], text_config="mistral"),
        ModelUnsupported, "text part", "GGUF",
    ),
    "a part of each head rotated": (
        with_config(partial_rotary_factor=0.5), ModelUnsupported, "rotates a part", "GGUF",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_refused_with_what_to_do_instead(folder: Path, tmp_path: Path, kind: str) -> None:
    make_it, error, what, instead = KINDS[kind]
    make_it(folder)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(error) as caught:
        convert(folder, out / "m.gguf", Quant.F16)
    said = str(caught.value)
    assert what in said and instead in said and "\n" not in said
    assert list(out.iterdir()) == []


def test_settings_that_say_nothing_refuse_nothing(folder: Path, tmp_path: Path) -> None:
    with_config(quantization_config=None, auto_map={}, text_config=None)(folder)
    assert convert(folder, tmp_path / "m.gguf", Quant.F16).tensors == 29


def test_a_gemma_2_with_a_head_of_its_own_is_refused(tmp_path: Path) -> None:
    """llama.cpp takes the embedding, whatever the file holds."""
    folder = make("gemma2", tmp_path / "model")
    with_config(tie_word_embeddings=False)(folder)
    with pytest.raises(ModelUnsupported, match="output of its own"):
        convert(folder, tmp_path / "m.gguf", Quant.F16)


LONGROPE = {"rope_type": "longrope", "short_factor": [1.0] * 8, "long_factor": [1.0] * 8}
NUMBERS: dict[str, tuple[dict[str, Any], str]] = {
    "more layers than memory": ({"num_hidden_layers": 2**31 - 1}, "more than llama.cpp loads"),
    "a base beyond float32": ({"rope_parameters": {"rope_theta": 1e300}}, "rope_theta"),
    "a base that is no number": ({"rope_parameters": {"rope_theta": float("nan")}}, "rope_theta"),
    "a factor beyond float32": ({"rope_parameters": {"rope_type": "linear", "factor": 1e300}}, "factor"),
    "a factor below one": ({"rope_parameters": {"rope_type": "yarn", "factor": 0.5}}, "below one"),
    "one position": (
        {"rope_parameters": LONGROPE | {"original_max_position_embeddings": 1}}, "no number of tokens",
    ),
    "more positions than there are": (
        {"rope_parameters": LONGROPE | {"original_max_position_embeddings": 2**40}}, "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NUMBERS)
@pytest.mark.parametrize("family", ["llama, yarn", "gemma2", "gemma3", "phi3"])
def test_absurd_numbers_are_refused_at_once(
    made: dict[str, Path], tmp_path: Path, family: str, case: str
) -> None:
    """Before anything is reserved or computed by them."""
    changes, words = NUMBERS[case]
    folder = Path(shutil.copytree(made[family], tmp_path / "model"))
    with_config(**changes)(folder)
    with pytest.raises((SourceInvalid, ModelUnsupported)) as caught:
        convert(folder, tmp_path / "m.gguf", Quant.F16)
    if family == "llama, yarn":
        assert words in str(caught.value)
    assert not (tmp_path / "m.gguf").exists()


@pytest.fixture(scope="module", name="made")
def _made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("families")
    return {name: make(name, root / name) for name in ("llama, yarn", "gemma2", "gemma3", "phi3")}
