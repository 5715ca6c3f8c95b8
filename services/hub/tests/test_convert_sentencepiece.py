"""SentencePiece vocabularies give the same token ids before and after conversion."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from hub_parts.engine import Engine
from hub_parts.families import FAMILIES, make
from hub_parts.models import TEXT
from hub_parts.pieces import KINDS, byte_fallback, model_file
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from hone_hub.convert import Quant, convert
from hone_hub.convert.sentencepiece_model import read_model
from hone_hub.errors import SourceInvalid, TokenizerUnsupported
from hone_hub.gguf import inspect

HOSTILE = [
    "",
    " ",
    "   leading and   many    spaces   ",
    "tabs\tand\r\nCRLF\r\n\r\n\n\n \n end ",
    "emoji 📚 family 👨‍👩‍👧‍👦 flag 🇵🇱",
    "日本語の本を借ります。中文，标点！한국어",
    "digits 1 12 123 1234 12345 1,234.56 ١٢٣ ½ Ⅷ",
    "it's we'LL I'M don't 'tis ''s",
    "Zażółć gęślą jaźń e\u0301 \u00e9 ﬀ ǅ",
    "zero\u200bwidth\u00a0nbsp\u3000ideographic\u2028line\ufeffbom",
    "\x01\x7f control",
    "pieces §entity§§entity§ and <0x41> and <unk>",
    "a_b-c/d\\e{f}[g](h)<i>=j+k*l&m%n$o#p@q!r?s~t`u^v|w",
    TEXT,
]


def with_tokenizer(folder: Path, tokenizer: Any, family: str = "llama, yarn") -> Path:
    """A tiny model of the family whose embedding has as many rows as this tokenizer needs."""
    FAMILIES[family].options["vocab_size"] = len(tokenizer)
    try:
        make(family, folder)
    finally:
        del FAMILIES[family].options["vocab_size"]
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=KINDS, name="pair")
def _pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Any, Engine]:
    folder = tmp_path_factory.mktemp("pieces")
    original = byte_fallback(request.param)
    convert(with_tokenizer(folder / "model", original), folder / "m.gguf", Quant.Q8_0)
    report = inspect(folder / "m.gguf").tokenizer
    assert report is not None and report.kind == "llama" and report.add_bos
    return request.param, original, Engine(folder / "m.gguf")


def as_chats_have_it(kind: str, text: str) -> str:
    """After a special token: that is how each text of a chat stands."""
    return f"<|user|>{text}" if kind == "first" else text


def test_hostile_strings_have_the_same_ids(pair: tuple[str, Any, Engine]) -> None:
    kind, original, engine = pair
    for text in HOSTILE:
        shown = as_chats_have_it(kind, text)
        assert engine.tokenize(shown) == original.encode(shown, add_special_tokens=False), repr(shown)


def test_special_tokens_within_a_text_are_found(pair: tuple[str, Any, Engine]) -> None:
    _, original, engine = pair
    text = "<|user|>each member<s> has loans</s><|user|> §entity§ x"
    assert engine.tokenize(text) == original.encode(text, add_special_tokens=False)
    assert engine.tokenize("<|user|>a", add_special=True) == original.encode("<|user|>a")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0▁"), max_size=60))
def test_any_text_has_the_same_ids(pair: tuple[str, Any, Engine], text: str) -> None:
    kind, original, engine = pair
    shown = as_chats_have_it(kind, text)
    assert engine.tokenize(shown) == original.encode(shown, add_special_tokens=False)


@pytest.mark.parametrize("prefix", [True, False])
def test_a_tokenizer_model_alone_is_read_as_sentencepiece_reads_it(tmp_path: Path, prefix: bool) -> None:
    content = model_file(prefix=prefix)
    original = sentencepiece.SentencePieceProcessor(model_proto=content)
    FAMILIES["llama, yarn"].options["vocab_size"] = original.vocab_size()
    try:
        folder = make("llama, yarn", tmp_path / "model")
    finally:
        del FAMILIES["llama, yarn"].options["vocab_size"]
    for file in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (folder / file).unlink(missing_ok=True)
    (folder / "tokenizer.model").write_bytes(content)
    convert(folder, tmp_path / "m.gguf", Quant.Q8_0)
    engine = Engine(tmp_path / "m.gguf")
    for text in HOSTILE:
        if "<unk>" in text or "§" in text:  # written out, they are special here and text there
            continue
        assert engine.tokenize(text) == original.encode(text), repr(text)


def test_phi_3s_special_tokens_swallow_the_space_after_them(tmp_path: Path) -> None:
    original = byte_fallback("always", rstrip=True)
    folder = with_tokenizer(tmp_path / "model", original, "phi3")
    convert(folder, tmp_path / "m.gguf", Quant.Q8_0, name="mine")
    engine = Engine(tmp_path / "m.gguf")
    text = "<|user|>\n each member\n<|user|>x"
    assert engine.tokenize(text) == AutoTokenizer.from_pretrained(folder).encode(
        text, add_special_tokens=False
    )


def test_a_vocabulary_without_all_bytes_is_refused(tmp_path: Path) -> None:
    folder = with_tokenizer(tmp_path / "model", byte_fallback("always"))
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["gone"] = vocabulary.pop("<0x0A>")
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(TokenizerUnsupported, match="1 of the 256 bytes"):
        convert(folder, tmp_path / "m.gguf", Quant.F16)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"normalization_rule_name": "nmt_nfkc"}, "rewrites text"),
        ({"remove_extra_whitespaces": True}, "rewrites text"),
        ({"model_type": "unigram"}, "no BPE"),
        ({"byte_fallback": False}, "256 bytes"),
    ],
)
def test_a_tokenizer_model_that_llama_cpp_reads_otherwise_is_refused(
    tmp_path: Path, more: dict[str, Any], words: str
) -> None:
    folder = make("llama, yarn", tmp_path / "model")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.model").write_bytes(model_file(**more))
    with pytest.raises(TokenizerUnsupported, match=words):
        convert(folder, tmp_path / "m.gguf", Quant.F16)


def test_spaces_that_are_treated_in_another_way_are_refused(tmp_path: Path) -> None:
    folder = with_tokenizer(tmp_path / "model", byte_fallback("always"))
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "NFKC"}]}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(TokenizerUnsupported, match="treats spaces in a way"):
        convert(folder, tmp_path / "m.gguf", Quant.F16)


def test_a_mutated_tokenizer_model_is_read_or_refused() -> None:
    """Never another error, and never for long."""
    content = model_file()
    chance = random.Random(5)
    changes: list[Callable[[bytearray], None]] = [
        lambda raw: raw.__delitem__(slice(chance.randrange(len(raw)), None)),
        lambda raw: raw.__setitem__(chance.randrange(len(raw)), chance.randrange(256)),
        lambda raw: raw.__setitem__(
            slice(at := chance.randrange(len(raw)), at), bytes([255] * chance.randrange(1, 12))
        ),
    ]
    for _ in range(3000):
        raw = bytearray(content)
        for _ in range(chance.randrange(1, 4)):
            if raw:
                chance.choice(changes)(raw)
        try:
            read_model(bytes(raw))
        except SourceInvalid as error:
            assert error.advice


@pytest.mark.parametrize("field", [b"\x22\x00", b"\x0a\x03\x0a\x01a"])
def test_a_tokenizer_model_of_nothing_but_fields_is_refused_soon(field: bytes) -> None:
    with pytest.raises(SourceInvalid, match="malformed"):
        read_model(field * 600_000)


def test_nothing_is_left_of_a_refused_conversion(tmp_path: Path) -> None:
    folder = make("llama, yarn", tmp_path / "model")
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.model").write_bytes(b"\x0a\x02\x0a")
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(SourceInvalid, match="malformed"):
        convert(folder, out / "m.gguf", Quant.F16)
    assert not list(out.iterdir())
    shutil.rmtree(folder)
