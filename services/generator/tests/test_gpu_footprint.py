"""What a model will take is predicted to the byte where it can be, and never gets smaller with more to keep."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hone_generator.memory.footprint import RUNNER_BYTES, LayerCache, ModelFacts, Serving, kv_bytes, predict
from hone_generator.providers.ollama_show import profile

GIB = 1 << 30
MIB = 1 << 20


def facts(layers: int, kv_heads: int, key: int, **others: int) -> ModelFacts:
    known = {"weights_bytes": 0, "embedding": 4096, "heads": 32, "key_length": key, "vocabulary": 1}
    return ModelFacts(layers=(LayerCache(kv_heads * 2 * key),) * layers, **(known | others))


LLAMA_3_8B = facts(32, 8, 128, vocabulary=128_256)
QWEN_CODER_7B = facts(28, 4, 128, embedding=3584, heads=28, vocabulary=152_064)


@pytest.mark.parametrize(
    ("model", "context", "serving", "expected"),
    [
        (LLAMA_3_8B, 8192, Serving(), GIB),
        (LLAMA_3_8B, 8192, Serving(parallel=4), 4 * GIB),
        (LLAMA_3_8B, 8192, Serving(kv_type="q8_0"), 544 * MIB),  # 1.0625 bytes a value
        (LLAMA_3_8B, 8192, Serving(kv_type="q4_0"), 288 * MIB),  # 0.5625
        (QWEN_CODER_7B, 32_768, Serving(), 1792 * MIB),
        # "layerSize" in llm/memory_test.go of Ollama 0.11.4 is this and 4 bytes of weights, for one layer of five.
        (facts(5, 32, 128), 2048, Serving(), 5 * 33_554_432),
    ],
)
def test_the_cache_is_exact(model: ModelFacts, context: int, serving: Serving, expected: int) -> None:
    assert kv_bytes(model, context, serving) == expected


def test_the_compute_buffer_is_what_ollama_says() -> None:
    """``graphFullOffload`` in llm/memory_test.go of Ollama 0.11.4."""
    assert predict(facts(5, 32, 128), 2048, Serving()).compute_bytes == 171_968_512


def test_with_flash_attention_no_head_needs_a_value_for_every_token() -> None:
    plain, flash = (
        predict(LLAMA_3_8B, 32_768, Serving(flash_attention=on)).compute_bytes for on in (False, True)
    )
    assert plain == 4 * 512 * (1 + 4 * 4096 + 32_768 * 33)
    assert flash == 4 * 512 * (4096 + 128_256)  # the output with its vocabulary is more


def test_all_parts_are_added() -> None:
    model = replace(LLAMA_3_8B, weights_bytes=4 * GIB)
    footprint = predict(model, 8192, Serving())
    assert footprint.total_bytes == 5 * GIB + footprint.compute_bytes + RUNNER_BYTES
    assert footprint.per_card_bytes == footprint.compute_bytes + RUNNER_BYTES


def test_layers_that_look_through_a_window_keep_that_and_a_batch() -> None:
    windowed = replace(LLAMA_3_8B, layers=(LayerCache(2048, 1024), LayerCache(2048)))
    assert kv_bytes(windowed, 8192, Serving()) == 2 * 2048 * (1024 + 512 + 8192)
    assert kv_bytes(windowed, 1000, Serving()) == 2 * 2048 * (1000 + 1000)
    assert kv_bytes(windowed, 8192, Serving(parallel=2)) == 2 * 2048 * (2048 + 512 + 16_384)


MODELS = st.builds(
    ModelFacts,
    weights_bytes=st.integers(0, 1 << 40),
    layers=st.lists(
        st.builds(LayerCache, st.integers(0, 1 << 16), st.none() | st.integers(1, 1 << 17)), max_size=6
    ).map(tuple),
    embedding=st.integers(1, 1 << 16),
    heads=st.integers(1, 256),
    key_length=st.integers(1, 1024),
    vocabulary=st.integers(0, 1 << 19),
)
SERVINGS = st.builds(Serving, st.integers(1, 16), st.sampled_from(["f16", "q8_0", "q4_0"]), st.booleans())


@given(MODELS, SERVINGS, st.integers(1, 1 << 20), st.integers(0, 1 << 20), st.integers(0, 16))
def test_more_context_and_more_requests_never_take_less(
    model: ModelFacts, serving: Serving, context: int, more: int, others: int
) -> None:
    least = predict(model, context, serving).total_bytes
    assert least >= model.weights_bytes + RUNNER_BYTES
    assert predict(model, context + more, serving).total_bytes >= least
    assert predict(model, context, replace(serving, parallel=serving.parallel + others)).total_bytes >= least


def recorded(name: str, version: str = "0.24.0") -> Any:
    recordings = json.loads(Path(__file__).with_name("ollama_recordings.json").read_text())
    [body] = [each["response"]["body"] for each in recordings[version] if each["name"] == name]
    return json.loads(body)


@pytest.mark.parametrize("version", ["0.24.0", "0.11.4"])
def test_what_a_real_server_shows_of_a_model_gives_its_facts(version: str) -> None:
    known = profile(recorded("show", version), 2_733_594).facts
    assert known is not None
    assert known.layers == (LayerCache(2 * (64 + 64)),) * 2
    assert (known.embedding, known.heads, known.key_length, known.vocabulary) == (256, 4, 64, 350)
    table = 350 * 256 * 2  # 16-bit values, looked up by the CPU
    assert known.weights_bytes == 2_733_594 - table


def test_weights_and_cache_are_what_a_real_server_says_that_it_took() -> None:
    """0.24.0 counts them to the byte; the model's file has 10 kB of names and words beside its weights."""
    known = profile(recorded("show"), 2_733_120).facts
    [loaded] = recorded("ps loaded")["models"]
    assert known is not None
    taken = known.weights_bytes + kv_bytes(known, loaded["context_length"], Serving())
    assert loaded["size"] <= taken <= loaded["size"] * 1.01


def shown(info: dict[str, Any], tensors: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    values = {"block_count": 4, "embedding_length": 64, "attention.head_count": 8} | info
    return {
        "model_info": {"general.architecture": "x", **{f"x.{key}": value for key, value in values.items()}},
        "tensors": tensors or [],
    }


def layers_of(document: dict[str, Any]) -> list[int]:
    known = profile(document, 1000).facts
    assert known is not None
    return [layer.values_per_token for layer in known.layers]


def test_layers_that_differ_are_told_by_a_list_or_by_their_tensors() -> None:
    told = shown({"attention.head_count_kv": [2, 0, 2, 1], "attention.key_length": 16})
    assert layers_of(told) == [64, 0, 64, 32]
    tensors = [
        {"name": f"blk.{block}.attn_{part}.weight", "type": "F16", "shape": [64, size]}
        for block, size in enumerate([32, 16, 16, 8])
        for part in "kv"
    ]
    left_out: dict[str, Any] = {"attention.head_count_kv": None}
    assert layers_of(shown(left_out, tensors)) == [64, 32, 32, 16]
    # Without any of it every head has a cache: rather too much than too little.
    assert layers_of(shown(left_out)) == [128, 128, 128, 128]


def test_gemma_looks_at_the_whole_context_in_every_sixth_layer_only() -> None:
    document = shown({"block_count": 12, "attention.sliding_window": 512})
    document["model_info"] = {
        key.replace("x.", "gemma3."): "gemma3" if value == "x" else value
        for key, value in document["model_info"].items()
    }
    known = profile(document, 1000).facts
    assert known is not None
    assert [layer.window_tokens for layer in known.layers] == [512, 512, 512, 512, 512, None] * 2


@pytest.mark.parametrize(
    "info",
    [
        {"block_count": 0},
        {"block_count": 10**12},
        {"block_count": "many"},
        {"block_count": True, "embedding_length": 0},
        {"embedding_length": None},
    ],
)
def test_of_a_model_that_says_nothing_that_can_be_nothing_is_predicted(info: dict[str, Any]) -> None:
    assert profile(shown(info), 1000).facts is None


def test_without_the_size_of_its_files_nothing_is_predicted() -> None:
    assert profile(shown({}), None).facts is None
