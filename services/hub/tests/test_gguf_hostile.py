"""Files made to hurt: each gets a typed error that says where, and costs little time and memory."""

from __future__ import annotations

import io
import struct
import time
import tracemalloc
from pathlib import Path

import pytest
from hub_parts import hostile as h

from hone_hub.errors import (
    CorruptGGUF,
    FileMissing,
    FileUnreadable,
    GGUFError,
    NotGGUF,
    TruncatedGGUF,
    UnsupportedGGUF,
)
from hone_hub.gguf import inspect, read, read_file
from hone_hub.gguf.header import Header

VALID = h.Header().written()
LONGEST_S = 1.0  # far above what any small file needs, far below a hang


def read_bytes(raw: bytes) -> Header:
    return read(io.BytesIO(raw), len(raw))


def with_key(*extra: bytes) -> bytes:
    return h.Header(keys=[*h.llama_keys(), *extra]).written()


def with_tensors(*tensors: bytes) -> bytes:
    return h.Header(tensors=list(tensors)).written()


def without(name: str, *instead: bytes) -> bytes:
    kept = [entry for entry in h.llama_keys() if not entry.startswith(h.text(name))]
    assert len(kept) < len(h.llama_keys())
    return h.Header(keys=[*kept, *instead]).written()


def test_the_valid_file_is_accepted_whole(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(VALID)
    report = inspect(tmp_path / "m.gguf")
    assert report.ok and report.problems == []
    assert (report.layers, report.width, report.heads, report.kv_heads, report.key_length) == (2, 8, 2, 2, 4)
    assert report.tensor_types == {"F32": 5536} and report.parameters == 1384


LIES: dict[str, tuple[bytes, type[GGUFError]]] = {
    "an empty file": (b"", NotGGUF),
    "three bytes": (b"GGU", NotGGUF),
    "another format": (b"PK\x03\x04" + VALID[4:], NotGGUF),
    "only the magic": (b"GGUF", TruncatedGGUF),
    "version 1": (h.Header(version=1).written(), UnsupportedGGUF),
    "version 4": (h.Header(version=4).written(), UnsupportedGGUF),
    "version 0": (h.Header(version=0).written(), UnsupportedGGUF),
    "big-endian": (b"GGUF" + struct.pack(">I", 3) + VALID[8:], UnsupportedGGUF),
    "2**63 keys": (h.Header(key_count=1 << 63).written(), CorruptGGUF),
    "more keys than fit": (h.Header(key_count=60_000).written(), TruncatedGGUF),
    "one key too many": (h.Header(key_count=17).written(), GGUFError),
    "2**64-1 tensors": (h.Header(tensor_count=(1 << 64) - 1).written(), CorruptGGUF),
    "more tensors than fit": (h.Header(tensor_count=100_000).written(), TruncatedGGUF),
    "a key of 2**62 bytes": (h.Header(keys=[struct.pack("<Q", 1 << 62)], key_count=1).written(), CorruptGGUF),
    "an empty key": (with_key(h.u32("", 1)), CorruptGGUF),
    "a key twice": (with_key(h.string("general.name", "other")), CorruptGGUF),
    "a key that is not UTF-8": (with_key(h.key(b"\xff\xfe", h.UINT32, b"\0" * 4)), CorruptGGUF),
    "a text that is not UTF-8": (with_key(h.string("x", b"\xc3\x28")), CorruptGGUF),
    "a text longer than the file": (with_key(h.key("x", h.STRING, struct.pack("<Q", 1 << 20))), TruncatedGGUF),
    "a text of 2**63 bytes": (with_key(h.key("x", h.STRING, struct.pack("<Q", 1 << 63))), CorruptGGUF),
    "an unknown value type": (with_key(h.key("x", 13, b"\0" * 8)), CorruptGGUF),
    "an unknown item type": (with_key(h.array("x", 99, [])), CorruptGGUF),
    "an array of arrays": (with_key(h.array("x", h.ARRAY, [struct.pack("<IQ", h.UINT32, 0)])), CorruptGGUF),
    "an array of 2**61 numbers": (with_key(h.array("x", h.UINT32, [], count=1 << 61)), TruncatedGGUF),
    "an array of 2**61 texts": (with_key(h.array("x", h.STRING, [], count=1 << 61)), TruncatedGGUF),
    "a truth value of 2": (with_key(h.key("x", h.BOOL, b"\2")), CorruptGGUF),
    "truth values of 2 in an array": (with_key(h.array("x", h.BOOL, [b"\1", b"\2"])), CorruptGGUF),
    "alignment 0": (with_key(h.u32("general.alignment", 0)), CorruptGGUF),
    "alignment 24": (with_key(h.u32("general.alignment", 24)), CorruptGGUF),
    "alignment 2**31": (with_key(h.u32("general.alignment", 1 << 31)), CorruptGGUF),
    "alignment as text": (with_key(h.string("general.alignment", "32")), CorruptGGUF),
    "no dimensions": (with_tensors(h.tensor("a", [], 0)), CorruptGGUF),
    "five dimensions": (with_tensors(h.tensor("a", [1] * 5, 0)), CorruptGGUF),
    "2**32-1 dimensions": (with_tensors(h.tensor("a", [1], 0, dims=0xFFFFFFFF)), CorruptGGUF),
    "a dimension of 0": (with_tensors(h.tensor("a", [4, 0], 0)), CorruptGGUF),
    "dimensions that overflow": (with_tensors(h.tensor("a", [1 << 32, 1 << 32], 0)), CorruptGGUF),
    "dimensions that overflow to 0": (with_tensors(h.tensor("a", [1 << 63, 2, 1, 1], 0)), CorruptGGUF),
    "an unknown tensor type": (with_tensors(h.tensor("a", [32], 0, kind=4)), UnsupportedGGUF),
    "half a block": (with_tensors(h.tensor("a", [33], 0, kind=8)), CorruptGGUF),
    "a tensor twice": (with_tensors(h.tensor("a", [8], 0), h.tensor("a", [8], 32)), CorruptGGUF),
    "a tensor without a name": (with_tensors(h.tensor("", [8], 0)), CorruptGGUF),
    "a name of 64 bytes": (with_tensors(h.tensor("a" * 64, [8], 0)), CorruptGGUF),
    "a misaligned offset": (with_tensors(h.tensor("a", [8], 4)), CorruptGGUF),
    "overlapping tensors": (with_tensors(h.tensor("a", [32], 0), h.tensor("b", [8], 32)), CorruptGGUF),
    "a gap between tensors": (with_tensors(h.tensor("a", [8], 0), h.tensor("b", [8], 96)), CorruptGGUF),
    "an offset near 2**64": (with_tensors(h.tensor("a", [8], (1 << 64) - 32)), CorruptGGUF),
    "a tensor past the end": (with_tensors(h.tensor("a", [1 << 20], 0)), TruncatedGGUF),
    "an architecture as number": (without("general.architecture", h.u32("general.architecture", 1)), CorruptGGUF),
    "layers as text": (without("llama.block_count", h.string("llama.block_count", "2")), CorruptGGUF),
    "tokens as numbers": (
        without("tokenizer.ggml.tokens", h.array("tokenizer.ggml.tokens", h.UINT32, [b"\0" * 4] * 8)), CorruptGGUF
    ),
    "tokens as one text": (without("tokenizer.ggml.tokens", h.string("tokenizer.ggml.tokens", "a")), CorruptGGUF),
    "scores for fewer tokens": (
        with_key(h.array("tokenizer.ggml.scores", h.FLOAT32, [b"\0" * 4])), CorruptGGUF
    ),
    "a template as number": (
        without("tokenizer.chat_template", h.u32("tokenizer.chat_template", 1)), CorruptGGUF
    ),
    "an end token as text": (
        without("tokenizer.ggml.eos_token_id", h.string("tokenizer.ggml.eos_token_id", "1")), CorruptGGUF
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LIES)
def test_a_lie_gets_its_error(case: str) -> None:
    raw, expected = LIES[case]
    with pytest.raises(expected) as caught:
        read_bytes(raw)
    assert "\n" not in str(caught.value) and caught.value.advice


def test_a_file_cut_anywhere_is_never_accepted() -> None:
    whole = len(VALID) - 1
    for length in [*range(0, 1600, 3), *range(1600, whole, 211), whole]:
        with pytest.raises((TruncatedGGUF, NotGGUF)):
            read_bytes(VALID[:length])


def test_a_stream_that_ends_before_its_stated_size_is_truncated() -> None:
    with pytest.raises(TruncatedGGUF):
        read(io.BytesIO(VALID[:700]), len(VALID))


_EPSILON = "llama.attention.layer_norm_rms_epsilon"
NONSENSE: dict[str, tuple[bytes, str]] = {
    "one layer too few": (h.Header(keys=h.llama_keys(layers=3)).written(), "9 tensors are missing, the first is blk"),
    "no layers": (h.Header(keys=h.llama_keys(layers=0)).written(), "number of layers is 0"),
    "2**31 layers": (h.Header(keys=h.llama_keys(layers=1 << 31)).written(), "number of layers"),
    "no heads": (h.Header(keys=h.llama_keys(heads=0)).written(), "attention heads"),
    "heads that do not divide": (with_key(h.u32("llama.attention.head_count_kv", 3)), "do not divide"),
    "heads for other layers": (
        with_key(h.array("llama.attention.head_count_kv", h.UINT32, [struct.pack("<I", 1)] * 5)), "5 key-value heads"
    ),
    "another vocabulary": (h.Header(keys=h.llama_keys(tokens=[*h.TOKENS, "more"])).written(), "token_embd.weight"),
    "another head size": (with_key(h.u32("llama.attention.key_length", 16)), "attn_q.weight has the shape"),
    "an end token outside": (
        without("tokenizer.ggml.eos_token_id", h.u32("tokenizer.ggml.eos_token_id", 8)), "eos_token_id is 8"
    ),
    "a merge of one part": (
        without("tokenizer.ggml.merges", h.array("tokenizer.ggml.merges", h.STRING, [h.text("ab")])), "two parts"
    ),
    "a token type that makes llama.cpp abort": (
        without("tokenizer.ggml.token_type", h.array("tokenizer.ggml.token_type", h.INT32, [b"\7\0\0\0"] * 8)),
        "token types",
    ),
    "a token twice": (h.Header(keys=h.llama_keys(tokens=[*h.TOKENS[:7], "t0"])).written(), "occur twice"),
    "a token twice up to a zero byte": (
        h.Header(keys=h.llama_keys(tokens=[*h.TOKENS[:7], "t0\0x"])).written(), "occur twice"
    ),
    "an epsilon that is not a number": (
        without(_EPSILON, h.f32(_EPSILON, float("nan"))), "epsilon is nan"
    ),
    "no architecture": (without("general.architecture"), "architecture"),
    "no vocabulary": (
        h.Header(keys=[entry for entry in h.llama_keys() if b"tokenizer.ggml.t" not in entry]).written(), "vocabulary"
    ),
    "no tensors": (h.Header(tensors=[]).written(), "no tensors"),
}  # fmt: skip


@pytest.mark.parametrize("case", NONSENSE)
def test_a_well_formed_file_that_makes_no_sense_is_reported(tmp_path: Path, case: str) -> None:
    raw, words = NONSENSE[case]
    (tmp_path / "m.gguf").write_bytes(raw)
    report = inspect(tmp_path / "m.gguf")
    assert not report.ok and report.memory is None
    errors = [problem.message for problem in report.problems if problem.severity == "error"]
    assert any(words in error for error in errors), errors


@pytest.mark.parametrize("kind", [h.STRING, 0, h.FLOAT32])
def test_a_huge_file_of_array_items_costs_little_memory(tmp_path: Path, kind: int) -> None:
    """A sparse terabyte whose header promises arrays that would all fit into it."""
    path = tmp_path / "huge.gguf"
    header = h.Header(keys=[h.array("x", kind, [], count=1 << 30)], tensors=[], data=b"").written()
    path.write_bytes(header)
    with path.open("r+b") as stream:
        stream.truncate(1 << 40)
    tracemalloc.start()
    started = time.monotonic()
    with pytest.raises(UnsupportedGGUF):
        read_file(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.monotonic() - started < LONGEST_S and peak < 4 << 20


def test_many_small_arrays_share_one_allowance() -> None:
    """Each is within the limit, together they are not."""
    items = [h.array(f"k{number}", 0, [bytes(1 << 19)], count=1 << 19) for number in range(5)]
    with pytest.raises(UnsupportedGGUF):
        read_bytes(h.Header(keys=items, tensors=[], data=b"").written())


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileMissing) as caught:
        read_file(tmp_path / "none.gguf")
    assert caught.value.exit_code == 3
    with pytest.raises(NotGGUF, match="regular file"):
        read_file(tmp_path)
    with pytest.raises((NotGGUF, FileUnreadable)):
        read_file(Path("/dev/zero"))
