"""Whatever a server sends is read, or is a bad answer; names and counts mean what they mean to Ollama."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hone_generator.memory.errors import OutOfMemory, RunnerDied
from hone_generator.providers.base import Chunk
from hone_generator.providers.errors import (
    BadProviderAnswer,
    ContextTooLong,
    ModelLoadFailed,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRefused,
)
from hone_generator.providers.ollama_errors import DEFAULT_URL, failure, not_found
from hone_generator.providers.ollama_show import ModelProfile, profile
from hone_generator.providers.ollama_wire import chunk, contexts, embeddings, entries, full_name
from hone_generator.providers.wire_fields import document

KEYS = [
    "model", "name", "models", "size", "digest", "message", "content", "done", "done_reason", "eval_count",
    "prompt_eval_count", "model_info", "details", "parameters", "messages", "capabilities", "general.architecture",
    "embeddings", "tensors", "error", "size_vram", "llama.block_count", "llama.embedding_length",
    "llama.attention.head_count", "llama.attention.head_count_kv", "llama.vocab_size",
]  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers(-3, 10**12) | st.floats() | st.text(max_size=8)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=20,
)
# Such as a server would send, with anything in one place or another.
ANSWERS = st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, DOCUMENTS))


@given(
    st.binary(max_size=60)
    | ANSWERS.map(lambda value: json.dumps(value).encode())
    | DOCUMENTS.map(lambda value: json.dumps(value).encode())
)
def test_every_line_is_read_or_is_a_bad_answer(line: bytes) -> None:
    for read in (chunk, entries, lambda answer: profile(answer, 1000), lambda answer: embeddings(answer, 1)):
        with suppress(BadProviderAnswer):
            assert isinstance(read(document("ollama", line)), Chunk | list | ModelProfile)


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("qwen2.5-coder", "qwen2.5-coder:latest"),
        ("Qwen2.5-Coder:7b", "qwen2.5-coder:7b"),
        ("library/qwen3:8b", "qwen3:8b"),
        ("registry.ollama.ai/library/qwen3", "qwen3:latest"),
        ("hf.co/org/Repo-GGUF:Q4_K_M", "hf.co/org/repo-gguf:q4_k_m"),
        ("gpu:5000/team/model", "gpu:5000/team/model:latest"),
    ],
)
def test_equal_models_have_equal_names(name: str, full: str) -> None:
    assert full_name(name) == full


@pytest.mark.parametrize(
    ("prompt", "answer", "trained", "expected"),
    [
        (50, 50, None, (4096, 256)),
        (4000, 96, None, (4096,)),  # all of it is needed
        (4000, 8000, None, (16_384, 12_032, 6144)),  # a long answer is shortened at last
        (4000, 97, None, (8192, 4352)),
        (90_000, 10_000, None, (32_768,)),  # more than is allowed: the server says that it is too long
        (4000, 1000, 6000, (6000, 5120, 4608)),
        (3000, 100, 512, (512,)),
    ],
)
def test_contexts_come_in_few_sizes_and_where_memory_is_short_in_what_is_needed(
    prompt: int, answer: int, trained: int | None, expected: tuple[int, ...]
) -> None:
    assert contexts(prompt, answer, ModelProfile(context_tokens=trained), 32_768) == expected


@given(
    st.integers(1, 10**7), st.integers(0, 10**6), st.none() | st.integers(1, 10**6), st.integers(512, 10**6)
)
def test_contexts_are_a_few_falling_sizes_that_the_model_can_have(
    prompt: int, answer: int, trained: int | None, ceiling: int
) -> None:
    sizes = contexts(prompt, answer, ModelProfile(context_tokens=trained), ceiling)
    most = min(trained or ceiling, ceiling)
    assert 1 <= len(sizes) <= 3
    assert sorted(set(sizes), reverse=True) == list(sizes)
    assert sizes[0] == most or prompt + answer <= sizes[0] <= most
    assert sizes[-1] == most or sizes[-1] > prompt + min(answer, 512) - 1


@pytest.mark.parametrize(
    ("status", "message", "kind"),
    [
        (400, "the input length exceeds the context length", ContextTooLong),
        (500, "model requires more system memory (56.7 GiB) than is available (3.2 GiB)", OutOfMemory),
        (500, "llama runner process has terminated: cudaMalloc failed: out of memory ggml_gallocr_reserve_n: failed "
              "to allocate CUDA0 buffer of size 838447104", OutOfMemory),
        (500, "llama runner process has terminated: unable to allocate CUDA0 buffer", OutOfMemory),
        (500, "llama runner process has terminated: CUDA error: out of memory", OutOfMemory),
        (500, "llama runner process has terminated: signal: killed", OutOfMemory),
        (500, "memory layout cannot be allocated with num_gpu = 40", OutOfMemory),
        (500, "llama runner process has terminated: error loading model: missing tensor", ModelLoadFailed),
        (500, "llama runner process has terminated: exit status 2", RunnerDied),
        (500, "llama runner process has terminated: signal: aborted (core dumped)", RunnerDied),
        (500, "llama runner process has terminated: CUDA error", RunnerDied),
        (503, "server busy, please try again.  maximum pending requests exceeded", RateLimited),
        (429, "slow down", RateLimited),
        (400, '"nomic-embed-text" does not support chat', RequestRefused),
        (500, "invalid JSON schema in format", RequestRefused),
        (500, "something else", ProviderUnavailable),
    ],
)  # fmt: skip
def test_errors_are_told_apart_by_their_words(status: int, message: str, kind: type[ProviderError]) -> None:
    assert type(failure("m", status, message, 10, 100)) is kind


@pytest.mark.parametrize(
    "vectors", [[], [[1.0], [2.0]], [[]], [["x"]], [[float("nan")]], [[True]], [7], {}, [[1.0, [2.0]]]]
)
def test_vectors_that_are_none_are_a_bad_answer(vectors: object) -> None:
    with pytest.raises(BadProviderAnswer):
        embeddings({"embeddings": vectors}, 1)


def test_vectors_of_different_lengths_are_a_bad_answer() -> None:
    with pytest.raises(BadProviderAnswer, match="different lengths"):
        embeddings({"embeddings": [[1.0], [1.0, 2.0]]}, 2)


def test_the_line_that_gets_a_model_names_the_host_only_where_ollama_would_not_guess_it() -> None:
    assert "`ollama pull qwen3:8b`" in str(not_found("ollama:qwen3:8b", "qwen3:8b", [], DEFAULT_URL))
    away = not_found("ollama:$(x)", "$(x)", ["a"], "http://gpu:11434")
    assert "`OLLAMA_HOST=http://gpu:11434 ollama pull '$(x)'`" in str(away)
