"""Whatever a server sends is read, or is a bad answer; names and counts mean what they mean to Ollama."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hone_generator.providers.base import Chunk
from hone_generator.providers.errors import BadProviderAnswer
from hone_generator.providers.ollama_wire import (
    DEFAULT_URL,
    ModelProfile,
    chunk,
    context_tokens,
    document,
    entries,
    full_name,
    not_found,
    profile,
)

KEYS = [
    "model", "name", "models", "size", "digest", "message", "content", "done", "done_reason", "eval_count",
    "prompt_eval_count", "model_info", "details", "parameters", "messages", "capabilities", "general.architecture",
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
    for read in (chunk, entries, profile):
        with suppress(BadProviderAnswer):
            assert isinstance(read(document(line)), Chunk | list | ModelProfile)


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
    ("needed", "trained", "loaded", "expected"),
    [
        (100, None, None, 4096),
        (4096, None, None, 4096),
        (4097, None, None, 8192),
        (100_000, None, None, 32_768),
        (5000, 6000, None, 6000),
        (100, 131_072, 2048, 2048),
        (3000, 131_072, 2048, 4096),
        (100, 512, 10_000_000, 10_000_000),  # 0.11.4 tells what was asked for, and not what the model can do
        (600, 512, 10_000_000, 512),
    ],
)
def test_the_context_fits_the_prompt_and_keeps_a_loaded_model_loaded(
    needed: int, trained: int | None, loaded: int | None, expected: int
) -> None:
    assert context_tokens(needed, ModelProfile(context_tokens=trained), loaded, 32_768) == expected


def test_the_line_that_gets_a_model_names_the_host_only_where_ollama_would_not_guess_it() -> None:
    assert "`ollama pull qwen3:8b`" in str(not_found("ollama:qwen3:8b", "qwen3:8b", [], DEFAULT_URL))
    away = not_found("ollama:$(x)", "$(x)", ["a"], "http://gpu:11434")
    assert "`OLLAMA_HOST=http://gpu:11434 ollama pull '$(x)'`" in str(away)
