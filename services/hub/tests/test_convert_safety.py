"""What the converter refuses, that it leaves nothing behind, and its command line."""

from __future__ import annotations

import json
import math
import os
import pickle
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hub_parts.models import Library, TinyModel
from hypothesis import given, settings
from hypothesis import strategies as st

from hone_hub.convert import Quant, convert
from hone_hub.convert.safetensors import read_header, to_float32
from hone_hub.errors import (
    HubError,
    ModelUnsupported,
    SourceInvalid,
    SourceUnsafe,
    WeightsUnusable,
)


@pytest.fixture(name="folder")
def _folder(library: Library, tmp_path: Path) -> Path:
    copy = tmp_path / "model"
    shutil.copytree(library.folder(TinyModel()), copy)
    return copy


@pytest.fixture(name="sharded")
def _sharded(library: Library, tmp_path: Path) -> Path:
    copy = tmp_path / "sharded"
    shutil.copytree(library.folder(TinyModel(shard_size="60KB")), copy)
    return copy


def configure(folder: Path, name: str = "config.json", **changes: Any) -> None:
    entries = json.loads((folder / name).read_text()) | changes
    (folder / name).write_text(json.dumps(entries))


def refuse(folder: Path, error: type[HubError], words: str | None = None, quant: Quant = Quant.F16) -> None:
    """The conversion raises `error`, in one line, and its folder is as it was."""
    out = folder.parent / "refused" / "m.gguf"
    out.parent.mkdir(exist_ok=True)
    with pytest.raises(error, match=words) as caught:
        convert(folder, out, quant)
    assert "\n" not in str(caught.value)
    assert list(out.parent.iterdir()) == []


def edit_weights(folder: Path, **changes: Any) -> None:
    tensors = safetensors.numpy.load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in (tensors | changes).items() if tensor is not None}
    safetensors.numpy.save_file(kept, folder / "model.safetensors")


CONFIGS: dict[str, tuple[dict[str, Any], type[HubError], str]] = {
    "another architecture": ({"architectures": ["GPT2LMHeadModel"]}, ModelUnsupported, "GPT2LMHeadModel"),
    "no architecture": ({"architectures": None}, ModelUnsupported, "one is needed"),
    "code of its own": ({"auto_map": {"AutoModel": "x.Y"}}, SourceUnsafe, "code of its own"),
    "quantized weights": (
        {"quantization_config": {"quant_method": "gptq"}},
        ModelUnsupported,
        "quantized already",
    ),
    "another activation": ({"hidden_act": "gelu"}, ModelUnsupported, "gelu"),
    "a yarn of another slope": (
        {"rope_parameters": {"rope_type": "yarn", "factor": 4.0, "beta_fast": 64}},
        ModelUnsupported,
        "beta_fast",
    ),
    "a rope that nobody knows": ({"rope_parameters": {"rope_type": "xyz"}}, ModelUnsupported, "xyz"),
    "a rope without factor": ({"rope_parameters": {"rope_type": "linear"}}, SourceInvalid, "factor"),
    "a width of text": ({"hidden_size": "64"}, SourceInvalid, "hidden_size"),
    "a negative width": ({"hidden_size": -64}, SourceInvalid, "hidden_size"),
    "another width": ({"hidden_size": 128, "head_dim": 16}, SourceInvalid, "config.json makes it"),
    "heads that do not divide": ({"num_key_value_heads": 3}, SourceInvalid, "do not go together"),
    "a layer more than there is": ({"num_hidden_layers": 4}, SourceInvalid, "lack model.layers.3"),
    "a layer less than there is": ({"num_hidden_layers": 2}, ModelUnsupported, "model.layers.2"),
    "untied without output": ({"tie_word_embeddings": False}, SourceInvalid, "lm_head"),
    "no epsilon": ({"rms_norm_eps": 0}, SourceInvalid, "rms_norm_eps"),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_a_configuration_that_cannot_be_converted_is_refused(folder: Path, case: str) -> None:
    changes, error, words = CONFIGS[case]
    configure(folder, **changes)
    refuse(folder, error, words)


def test_pickles_are_not_opened(folder: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(folder / "exploded"),)

    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    refuse(folder, SourceUnsafe, "pickle")
    assert not (folder / "exploded").exists()


@pytest.mark.parametrize(
    "name", ["../model.safetensors", "/etc/passwd", "a/b.safetensors", "..", "", "a\\b", "x\0"]
)
def test_an_index_that_leads_out_of_the_folder_is_refused(sharded: Path, name: str) -> None:
    weight_map = json.loads((sharded / "model.safetensors.index.json").read_text())["weight_map"]
    weight_map["model.norm.weight"] = name
    configure(sharded, "model.safetensors.index.json", weight_map=weight_map)
    refuse(sharded, SourceUnsafe, "refers to the file")


def test_an_index_and_its_shards_must_agree(sharded: Path) -> None:
    path = sharded / "model.safetensors.index.json"
    weight_map = json.loads(path.read_text())["weight_map"]
    configure(sharded, path.name, weight_map=weight_map | {"model.extra": weight_map["model.norm.weight"]})
    refuse(sharded, SourceInvalid, "lack model.extra")
    del weight_map["model.norm.weight"]
    configure(sharded, path.name, weight_map=weight_map)
    refuse(sharded, SourceInvalid, "does not place there")


def test_a_missing_shard_is_named(sharded: Path) -> None:
    shard = min(sharded.glob("model-*.safetensors"))
    shard.unlink()
    refuse(sharded, SourceInvalid, shard.name)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_link_out_of_the_folder_is_refused(folder: Path, name: str) -> None:
    outside = folder.parent / "outside"
    (folder / name).rename(outside)
    (folder / name).symlink_to(outside)
    refuse(folder, SourceUnsafe, "is a link")


def test_the_links_of_a_hub_cache_are_followed(folder: Path) -> None:
    """huggingface_hub keeps models--o--r/snapshots/<revision>/<name> -> ../../blobs/<digest>."""
    cache = folder.parent / "models--o--r"
    snapshot, blobs = cache / "snapshots" / "abc", cache / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    for number, path in enumerate(folder.iterdir()):
        path.rename(blobs / str(number))
        (snapshot / path.name).symlink_to(Path("../../blobs") / str(number))
    assert convert(snapshot, folder.parent / "m.gguf", Quant.Q8_0).tensors == 29


def test_a_pipe_in_place_of_a_file_does_not_block(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    os.mkfifo(folder / "tokenizer.json")
    refuse(folder, SourceUnsafe, "not a regular file")


MALFORMED = [b"", b"{", b"[]", b"[" * 100_000, b'{"a": NaN', b"\xff\xfe{}"]


@pytest.mark.parametrize("raw", MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_json_is_refused(folder: Path, raw: bytes) -> None:
    (folder / "config.json").write_bytes(raw)
    refuse(folder, SourceInvalid, "config.json")


def test_json_beyond_its_limit_is_refused(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"x": "a" * (1 << 20)}))
    refuse(folder, SourceInvalid, "more than")


def header(entries: object, data: bytes = b"") -> bytes:
    raw = json.dumps(entries).encode()
    return struct.pack("<Q", len(raw)) + raw + data


def entry(start: int, end: int, shape: list[int], dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


WEIGHTS: dict[str, bytes] = {
    "nothing": b"",
    "a header longer than the file": struct.pack("<Q", 1 << 40) + b"{}",
    "a header that is not JSON": struct.pack("<Q", 4) + b"abcd",
    "a list": header([]),
    "no offsets": header({"a": {"dtype": "F32", "shape": [1]}}),
    "a negative size": header({"a": entry(0, 4, [-1, -1])}, b"1234"),
    "a size that is a truth value": header({"a": entry(0, 4, [True])}, b"1234"),
    "the wrong number of bytes": header({"a": entry(0, 8, [1])}, b"12345678"),
    "overlap": header({"a": entry(0, 4, [1]), "b": entry(0, 4, [1])}, b"1234"),
    "a gap": header({"a": entry(4, 8, [1])}, b"12345678"),
    "past the end": header({"a": entry(0, 8, [2])}, b"1234"),
    "trailing bytes": header({"a": entry(0, 4, [1])}, b"123456"),
    "an overflowing shape": header({"a": entry(0, 4, [1 << 63, 1 << 63])}, b"1234"),
    "a type of integers": header({"a": entry(0, 4, [1], "I32")}, b"1234"),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_a_lying_safetensors_header_is_refused(folder: Path, case: str) -> None:
    (folder / "model.safetensors").write_bytes(WEIGHTS[case])
    refuse(folder, SourceInvalid)


@settings(max_examples=300, deadline=None)
@given(edits=st.lists(st.tuples(st.integers(0, 700), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_mutated_safetensors_header_gives_our_errors_only(
    library: Library, tmp_path_factory: pytest.TempPathFactory, edits: list[tuple[int, int]]
) -> None:
    raw = bytearray((library.folder(TinyModel()) / "model.safetensors").read_bytes())
    for position, value in edits:
        raw[position] = value
    path = tmp_path_factory.getbasetemp() / "mutated.safetensors"
    path.write_bytes(raw)
    try:
        read_header(path)
    except SourceInvalid as error:
        assert error.advice


def test_values_are_read_as_the_safetensors_package_does(library: Library) -> None:
    path = library.folder(TinyModel(dtype="float16", seed=10)) / "model.safetensors"
    expected = safetensors.numpy.load_file(path)
    weights = read_header(path)
    assert weights.keys() == expected.keys()
    for name, weight in weights.items():
        rows = weight.shape[0] if len(weight.shape) > 1 else 1
        found = to_float32(weight.rows(0, rows, math.prod(weight.shape) // rows)).reshape(weight.shape)
        np.testing.assert_array_equal(found, expected[name].astype(np.float32))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_numbers_are_refused(folder: Path, value: float) -> None:
    edit_weights(folder, **{"model.norm.weight": np.full(64, value, np.float32)})
    refuse(folder, WeightsUnusable, "output_norm.weight")


@pytest.mark.parametrize("quant", [Quant.F16, Quant.Q8_0])
def test_weights_too_large_for_the_type_are_refused(folder: Path, quant: Quant) -> None:
    edit_weights(folder, **{"model.layers.1.mlp.up_proj.weight": np.full((96, 64), 3e7, np.float32)})
    refuse(folder, WeightsUnusable, "blk.1.ffn_up.weight has weights too large", quant)
    assert convert(folder, folder.parent / "m.gguf", Quant.BF16).tensors == 29


def test_an_adapter_is_not_taken_for_a_model(folder: Path) -> None:
    edit_weights(folder, **{"base_model.model.lora_A.weight": np.zeros((2, 2), np.float32)})
    refuse(folder, ModelUnsupported, "lora_A")
