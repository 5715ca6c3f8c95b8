"""The same text gives the same token ids before and after conversion."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hub_parts.engine import Engine
from hub_parts.models import PRE_TOKENIZERS, TEXT, Library, TinyModel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from hone_hub.convert import Quant, convert
from hone_hub.errors import HubError, SourceInvalid, TokenizerUnsupported
from hone_hub.gguf import inspect

HOSTILE = [
    "",
    " ",
    "   leading and   many    spaces   ",
    "tabs\tand\r\nCRLF\r\n\r\n\n\n \n end ",
    "emoji 📚 family 👨‍👩‍👧‍👦 flag 🇵🇱 tone 👍🏽",
    "日本語の本を借ります。中文，标点！한국어",
    "digits 1 12 123 1234 12345 1,234.56 ١٢٣ ½ Ⅷ",
    "it's we'LL I'M don't 'tis ''s",
    "Zażółć gęślą jaźń e\u0301 \u00e9 ﬀ ǅ",
    "zero\u200bwidth\u00a0nbsp\u3000ideographic\u2028line\ufeffbom",
    "\x00\x01\x7f control",
    "<|im_start|>user\nhi<|im_end|>\n<|im_start|><|im_start|>",
    'pieces "},{" §entity§§entity§ "},{ "},{""},{"',
    "a_b-c/d\\e{f}[g](h)<i>=j+k*l&m%n$o#p@q!r?s~t`u^v|w",
    TEXT,
]


@pytest.fixture(scope="module", params=PRE_TOKENIZERS, name="pair")
def _pair(
    request: pytest.FixtureRequest, library: Library, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, Engine]:
    folder = library.folder(TinyModel(pre=request.param))
    out = tmp_path_factory.mktemp("converted") / "m.gguf"
    convert(folder, out, Quant.Q8_0)
    tokenizer = inspect(out).tokenizer
    assert tokenizer is not None and tokenizer.pre == request.param
    return AutoTokenizer.from_pretrained(folder), Engine(out)


def test_hostile_strings_have_the_same_ids(pair: tuple[Any, Engine]) -> None:
    original, engine = pair
    for text in HOSTILE:
        assert engine.tokenize(text) == original.encode(text, add_special_tokens=False), repr(text)


def test_ids_come_back_as_the_same_text(pair: tuple[Any, Engine]) -> None:
    original, engine = pair
    for text in HOSTILE:
        if "\x00" not in text:
            assert engine.detokenize(original.encode(text, add_special_tokens=False)) == text


# Letters assigned since llama.cpp's Unicode tables were made would differ; the alphabet stays within older ones.
ALPHABET = st.sampled_from(
    " \t\r\n'sStLl0123456789.,!?\"{}[]<>|_-aAzZéßłЖяאبक日本한🙂📚\u0301\u200d\u00a0½²Ⅳ·§"
)


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=st.text(ALPHABET, max_size=40))
def test_any_text_of_awkward_letters_has_the_same_ids(pair: tuple[Any, Engine], text: str) -> None:
    original, engine = pair
    assert engine.tokenize(text) == original.encode(text, add_special_tokens=False)


@pytest.mark.parametrize("add_bos", [True, False])
def test_the_begin_token_is_added_as_the_post_processor_does(
    library: Library, tmp_path: Path, add_bos: bool
) -> None:
    folder = library.folder(
        TinyModel(add_bos=add_bos, pre="llama-bpe")
    )  # a split that adds one unless told not to
    convert(folder, tmp_path / "m.gguf", Quant.Q8_0)
    ids = Engine(tmp_path / "m.gguf").tokenize("A member", add_special=True)
    assert ids == AutoTokenizer.from_pretrained(folder).encode("A member")
    assert (ids[0] == 0) is add_bos


def test_the_chat_template_renders_the_same(library: Library, tmp_path: Path) -> None:
    folder = library.folder(TinyModel())
    convert(folder, tmp_path / "m.gguf", Quant.Q8_0)
    messages = [
        {"role": "system", "content": "Be terse."},
        {"role": "user", "content": "Którą książkę? 📚"},
        {"role": "assistant", "content": "Any."},
        {"role": "user", "content": "Danke"},
    ]
    original = AutoTokenizer.from_pretrained(folder)
    expected = original.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert Engine(tmp_path / "m.gguf").apply_template(messages) == expected
    template = inspect(tmp_path / "m.gguf").chat_template
    assert template is not None and template.renders


def test_roles_and_padding_of_the_vocabulary(library: Library, tmp_path: Path) -> None:
    folder = library.folder(
        TinyModel((("vocab_size", 467), ("tie_word_embeddings", False), ("head_dim", 24)), seed=3)
    )
    convert(folder, tmp_path / "m.gguf", Quant.Q8_0)
    tokenizer = inspect(tmp_path / "m.gguf").tokenizer
    assert tokenizer is not None and tokenizer.tokens == 467
    found = {role: token.text for role, token in tokenizer.special.items()}
    assert found == {"bos": "<|begin|>", "eos": "<|im_end|>", "padding": "<|pad|>"}


def edited(library: Library, tmp_path: Path, name: str, **changes: Any) -> Path:
    """A copy of a model's folder with entries of one of its JSON files replaced."""
    folder = tmp_path / "edited"
    shutil.copytree(library.folder(TinyModel()), folder)
    entries = json.loads((folder / name).read_text()) | changes
    (folder / name).write_text(json.dumps(entries))
    return folder


REFUSED: dict[str, tuple[dict[str, Any], type[HubError], str]] = {
    "an unknown split": (
        {"pre_tokenizer": {"type": "Metaspace", "replacement": "▁"}}, TokenizerUnsupported, "Metaspace"
    ),
    "no split": ({"pre_tokenizer": None}, TokenizerUnsupported, "splits text"),
    "a space put in front": (
        {"pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": True, "use_regex": True}},
        TokenizerUnsupported,
        "ByteLevel",
    ),
    "lower-casing": ({"normalizer": {"type": "Lowercase"}}, TokenizerUnsupported, "Lowercase"),
    "another model": ({"model": {"type": "Unigram", "vocab": []}}, TokenizerUnsupported, "Unigram"),
    "no vocabulary": ({"model": {"type": "BPE", "vocab": 3}}, SourceInvalid, "vocabulary"),
    "another post-processor": ({"post_processor": {"type": "BertProcessing"}}, TokenizerUnsupported, "Bert"),
    "added tokens that are none": ({"added_tokens": 5}, SourceInvalid, "no list"),
    "merges that are none": (
        {"model": {"type": "BPE", "vocab": {}, "merges": 5}}, SourceInvalid, "no list"
    ),
    "post-processors that are none": (
        {"post_processor": {"type": "Sequence", "processors": 5}}, SourceInvalid, "no list"
    ),
    "a zero byte within a token": (
        {"added_tokens": [{"id": 405, "content": "a\0b"}]}, TokenizerUnsupported, "zero byte"
    ),
    "half a character": (
        {"added_tokens": [{"id": 0, "content": "\ud83d"}]}, SourceInvalid, "not valid JSON"
    ),
    "a broken added token": ({"added_tokens": [{"id": "x"}]}, SourceInvalid, "added token"),
    "an id beyond the embedding": (
        {"added_tokens": [{"id": 99_999, "content": "<far>", "special": True}]}, SourceInvalid, "99999"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_tokenizer_that_would_not_be_repeated_is_refused(
    library: Library, tmp_path: Path, case: str
) -> None:
    changes, error, words = REFUSED[case]
    folder = edited(library, tmp_path, "tokenizer.json", **changes)
    with pytest.raises(error, match=words):
        convert(folder, tmp_path / "m.gguf", Quant.F32)
    assert not (tmp_path / "m.gguf").exists()


def test_overlapping_added_tokens_are_warned_about(library: Library, tmp_path: Path) -> None:
    entries = json.loads((library.folder(TinyModel()) / "tokenizer.json").read_text())["added_tokens"]
    for entry, content in zip(entries[-2:], ('{"e', '"e":['), strict=True):
        entry["content"] = content
    report = convert(
        edited(library, tmp_path, "tokenizer.json", added_tokens=entries), tmp_path / "m.gguf", Quant.F32
    )
    assert any("overlap" in warning for warning in report.warnings)
