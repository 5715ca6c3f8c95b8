"""Each family in transformers and, converted, in llama.cpp: the same predictions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import safetensors.numpy
import torch
from hub_parts.engine import Engine
from hub_parts.families import FAMILIES, make
from hub_parts.models import TEXT
from numpy.typing import NDArray
from transformers import AutoTokenizer, Gemma3Config

from hone_hub.convert import Quant, convert
from hone_hub.convert.architectures import architecture_of
from hone_hub.convert.gemma import Gemma3
from hone_hub.convert.rope import Linear, Rope
from hone_hub.convertible import CONVERTIBLE, needs_own_code, text_part
from hone_hub.errors import HubError, ModelUnsupported, SourceInvalid
from hone_hub.gguf import inspect


@pytest.fixture(scope="module", params=FAMILIES, name="made")
def _made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    return request.param, make(request.param, tmp_path_factory.mktemp("family") / "model")


def test_the_logits_of_each_family_equal_transformers(made: tuple[str, Path], tmp_path: Path) -> None:
    name, folder = made
    report = convert(folder, tmp_path / "f32.gguf", Quant.F32)
    convert(folder, tmp_path / "f16.gguf", Quant.F16)
    inspected = inspect(tmp_path / "f32.gguf")
    assert inspected.ok and not inspected.problems, inspected.problems
    assert len(gguf.GGUFReader(tmp_path / "f32.gguf").tensors) == report.tensors
    kind: Any = FAMILIES[name].model
    model: Any = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    model.eval()
    exact, half = Engine(tmp_path / "f32.gguf"), Engine(tmp_path / "f16.gguf")
    ids = AutoTokenizer.from_pretrained(folder)(TEXT * 5)["input_ids"]
    for prompt in (ids[:1], ids[5:12], ids[:60], ids[20:220]):
        if len(prompt) < FAMILIES[name].least_ids:
            continue
        expected = log_softmax(model, prompt)
        assert np.ptp(expected) > 3, "a model this flat would prove nothing"
        np.testing.assert_allclose(
            exact.log_probabilities(prompt, len(expected)), expected, atol=FAMILIES[name].atol
        )
        found = half.log_probabilities(prompt, len(expected))
        assert float((np.exp(expected) * (expected - found)).sum()) < 1e-4


def log_softmax(model: Any, ids: list[int]) -> NDArray[np.float64]:
    with torch.no_grad():
        row = model(torch.tensor([ids])).logits[0, -1].double().numpy()
    exact = row - row.max()
    normalised: NDArray[np.float64] = exact - np.log(np.exp(exact).sum())
    return normalised


REFUSED: dict[str, tuple[str, dict[str, Any], type[HubError], str]] = {
    "gemma 2 that divides otherwise": ("gemma2", {"query_pre_attn_scalar": 256}, ModelUnsupported, "256"),
    "gemma 2 without a cap": ("gemma2", {"attn_logit_softcapping": None}, ModelUnsupported, "attn_logit"),
    "gemma 2 that slides elsewhere": (
        "gemma2", {"layer_types": ["full_attention"] * 3}, ModelUnsupported, "slide",
    ),
    "gemma 3 with caps": ("gemma3", {"final_logit_softcapping": 30.0}, ModelUnsupported, "final_logit"),
    "gemma 3 with another local rope": (
        "gemma3",
        {"rope_parameters": {"full_attention": {}, "sliding_attention": {"rope_theta": 5.0}}},
        ModelUnsupported,
        "sliding layers' rope",
    ),
    "qwen 3 with biases": ("qwen3", {"attention_bias": True}, ModelUnsupported, "biases"),
    "longrope in qwen": (
        "qwen2",
        {"rope_parameters": {"rope_type": "longrope", "short_factor": [1.0] * 8, "long_factor": [1.0] * 8}},
        ModelUnsupported,
        "longrope",
    ),
    "too few factors": (
        "phi3, long context",
        {"rope_parameters": {"rope_type": "longrope", "short_factor": [1.0] * 7, "long_factor": [1.0] * 8}},
        SourceInvalid,
        "short_factor",
    ),
    "a factor of text": (
        "phi3, long context",
        {"rope_parameters": {"rope_type": "longrope", "short_factor": ["1"] * 8, "long_factor": [1.0] * 8}},
        SourceInvalid,
        "short_factor",
    ),
    "yarn in phi 3": ("phi3", {"rope_parameters": {"rope_type": "yarn", "factor": 2.0}}, ModelUnsupported, "Phi-3"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_llama_cpp_would_read_otherwise_is_refused(tmp_path: Path, case: str) -> None:
    family, changes, error, words = REFUSED[case]
    folder = make(family, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text()) | changes
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(error, match=words):
        convert(folder, tmp_path / "m.gguf", Quant.F16)
    assert not (tmp_path / "m.gguf").exists()


@pytest.mark.parametrize("family", ["qwen2", "phi3"])
def test_the_context_ends_where_a_window_would_begin_to_matter(tmp_path: Path, family: str) -> None:
    folder = make(family, tmp_path / "model")
    window = {"sliding_window": 100, "use_sliding_window": True}
    config = json.loads((folder / "config.json").read_text()) | window
    (folder / "config.json").write_text(json.dumps(config))
    report = convert(folder, tmp_path / "m.gguf", Quant.F16)
    assert any("sliding window of 100" in warning for warning in report.warnings)
    assert inspect(tmp_path / "m.gguf").context_length == 100


def test_a_dynamic_rope_is_followed_up_to_the_original_context(tmp_path: Path) -> None:
    folder = make("qwen2", tmp_path / "model")
    rope = {
        "rope_parameters": {"rope_type": "dynamic", "factor": 4.0, "original_max_position_embeddings": 128}
    }
    config = json.loads((folder / "config.json").read_text()) | rope
    (folder / "config.json").write_text(json.dumps(config))
    report = convert(folder, tmp_path / "m.gguf", Quant.F16)
    assert any("original context of 128" in warning for warning in report.warnings)
    assert inspect(tmp_path / "m.gguf").context_length == 128


def test_both_ways_of_naming_the_text_part_give_the_same_file(tmp_path: Path) -> None:
    folder = make("mistral3, with images", tmp_path / "model")
    report = convert(folder, tmp_path / "old.gguf", Quant.F16, name="m")
    assert any("no images" in warning for warning in report.warnings)
    weights = safetensors.numpy.load_file(folder / "model.safetensors")
    renamed = {
        name.replace("language_model.model.", "model.language_model.").replace(
            "language_model.lm_head", "lm_head"
        ): each
        for name, each in weights.items()
    }
    safetensors.numpy.save_file(renamed, folder / "model.safetensors")
    convert(folder, tmp_path / "new.gguf", Quant.F16, name="m")
    assert (tmp_path / "old.gguf").read_bytes() == (tmp_path / "new.gguf").read_bytes()


def test_what_config_json_leaves_out_of_the_text_part_is_gemma_3s_own(tmp_path: Path) -> None:
    """As published: of the 4B model's text part only what differs from transformers' defaults is written."""
    config: dict[str, Any] = {
        "architectures": ["Gemma3ForConditionalGeneration"],
        "model_type": "gemma3",
        "text_config": {
            "hidden_size": 2560,
            "intermediate_size": 10240,
            "model_type": "gemma3_text",
            "num_hidden_layers": 34,
            "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
            "sliding_window": 1024,
        },
    }
    expected: Any = Gemma3Config(**config).text_config
    shape = Gemma3().shape(text_part(config))
    found = (shape.layers, shape.heads, shape.kv_heads, shape.head_dim, shape.vocabulary, shape.context)
    assert found == (34, expected.num_attention_heads, expected.num_key_value_heads, expected.head_dim,
                     expected.vocab_size, expected.max_position_embeddings)  # fmt: skip
    assert shape.rope == Rope(1_000_000.0, 256, Linear(8.0)) and shape.tied


def test_a_head_beside_tied_embeddings_counts_only_where_it_differs(tmp_path: Path) -> None:
    folder = make("qwen2, tied, yarn", tmp_path / "model")
    plain = convert(folder, tmp_path / "plain.gguf", Quant.F32, name="m")
    weights = safetensors.numpy.load_file(folder / "model.safetensors")
    head = weights["model.embed_tokens.weight"].copy()
    safetensors.numpy.save_file(weights | {"lm_head.weight": head}, folder / "model.safetensors")
    convert(folder, tmp_path / "same.gguf", Quant.F32, name="m")
    assert (tmp_path / "plain.gguf").read_bytes() == (tmp_path / "same.gguf").read_bytes()
    head[-1] *= 3
    safetensors.numpy.save_file(weights | {"lm_head.weight": head}, folder / "model.safetensors")
    assert convert(folder, tmp_path / "other.gguf", Quant.F32).tensors == plain.tensors + 1
    ids = list(range(40, 60))
    model: Any = FAMILIES["qwen2"].model.from_pretrained(folder, dtype=torch.float32)
    expected = log_softmax(model.eval(), ids)
    found = Engine(tmp_path / "other.gguf").log_probabilities(ids, len(expected))
    np.testing.assert_allclose(found, expected, atol=2e-4)


PHI3_CODE = {
    "AutoConfig": "configuration_phi3.Phi3Config",
    "AutoModelForCausalLM": "modeling_phi3.Phi3ForCausalLM",
    "AutoTokenizer": "Xenova/gpt-4o",
}


def test_phi_3_is_converted_although_it_is_published_with_code_that_transformers_has(tmp_path: Path) -> None:
    folder = make("phi3", tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"auto_map": PHI3_CODE}))
    (folder / "modeling_phi3.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    report = convert(folder, tmp_path / "m.gguf", Quant.F16)
    assert any("own code was not run" in warning for warning in report.warnings)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("architecture", "named"),
    [
        ("LlamaForCausalLM", PHI3_CODE),
        ("Phi3ForCausalLM", PHI3_CODE | {"AutoModelForCausalLM": "modeling_other.Phi3ForCausalLM"}),
        ("Phi3ForCausalLM", PHI3_CODE | {"AutoModel": "modeling_phi3.Phi3SmallModel"}),
        ("Phi3ForCausalLM", PHI3_CODE | {"AutoConfig": "somebody/x--configuration_phi3.Phi3Config"}),
        ("Phi3ForCausalLM", ["modeling_phi3.Phi3ForCausalLM"]),
        ("Phi3ForCausalLM", PHI3_CODE | {"AutoConfig": ["configuration_phi3.Phi3Config"]}),
    ],
)
def test_any_other_code_is_needed(architecture: str, named: object) -> None:
    assert needs_own_code({"architectures": [architecture], "auto_map": named})


def test_what_is_said_to_be_convertible_is() -> None:
    for name in CONVERTIBLE:
        assert architecture_of({"architectures": [name]})
    with pytest.raises(ModelUnsupported) as refused:
        architecture_of({"architectures": ["XForCausalLM"]})
    assert all(name in str(refused.value) for name in CONVERTIBLE)
