"""A model in several files: one to Ollama, and what it is to the embedded engine."""

from __future__ import annotations

import hashlib
from pathlib import Path

import gguf
import pytest
from hub_parts.answering import answering
from hub_parts.models import TEMPLATE
from hub_parts.ollamas import Ollama
from hub_parts.placing import Steps, deployer, model_file

from hone_hub.deploy.models.merging import layout, merge, pieces
from hone_hub.deploy.models.order import DeployOrder
from hone_hub.errors import CorruptGGUF
from hone_hub.gguf import inspect
from hone_hub.work import MergeWork


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    answering(tmp_path / "m.gguf", TEMPLATE, tensors_each=4)
    return sorted(tmp_path.glob("m-*.gguf"))


def test_shards_are_the_file_that_they_were_cut_from(shards: list[Path], tmp_path: Path) -> None:
    whole = answering(tmp_path / "whole.gguf", TEMPLATE)
    assert len(shards) == 3
    told = merge(MergeWork(paths=tuple(shards)), lambda *_: None)
    merged = tmp_path / "merged.gguf"
    merged.write_bytes(b"".join(pieces(*layout(tuple(shards)))))
    assert told["sha256"] == hashlib.sha256(merged.read_bytes()).hexdigest()
    assert told["size_bytes"] == merged.stat().st_size
    assert inspect(merged).ok
    ours, theirs = gguf.GGUFReader(merged), gguf.GGUFReader(whole)
    keys = {key for key in theirs.fields if not key.startswith("GGUF.")}
    assert {key for key in ours.fields if not key.startswith("GGUF.")} == keys
    assert all(ours.fields[key].contents() == theirs.fields[key].contents() for key in keys)
    for mine, other in zip(ours.tensors, theirs.tensors, strict=True):
        assert (mine.name, mine.tensor_type, mine.data.tobytes()) == (
            other.name, other.tensor_type, other.data.tobytes(),
        )  # fmt: skip


def test_a_tensor_that_is_in_two_shards_is_refused(shards: list[Path]) -> None:
    with pytest.raises(CorruptGGUF, match="in two shards"):
        layout((shards[0], shards[1], shards[1]))


@pytest.mark.slow
async def test_shards_are_one_model_at_ollama(
    real_ollama: Ollama, shards: list[Path], tmp_path: Path
) -> None:
    order, steps = DeployOrder("job-1", "sharded", model_file(*shards)), Steps()
    to = deployer(tmp_path / "models", real_ollama.url)
    placed = await to.deploy(order, "ollama", steps)
    assert placed.proof["hosts"][real_ollama.url]["answers"] == ["hello"]
    assert steps.stages == ["upload", "create", "prove"]
    assert sorted(tmp_path.rglob("*.gguf")) == shards  # nothing is written on the way
    assert await to.deploy(order, "ollama", Steps()) == placed
    await to.remove("ollama:sharded")


@pytest.mark.slow
async def test_shards_stay_shards_in_the_embedded_engine(shards: list[Path], tmp_path: Path) -> None:
    order, folder = DeployOrder("job-1", "big:q4_k_m", model_file(*shards)), tmp_path / "models"
    to = deployer(folder, "127.0.0.1:1")
    placed = await to.deploy(order, "llamacpp", Steps())
    assert placed.uri.endswith("models/big/q4_k_m-00001-of-00003.gguf")
    assert placed.proof["answers"][0] == "hello"
    assert sorted(path.name for path in folder.rglob("*.gguf")) == [
        f"q4_k_m-0000{number}-of-00003.gguf" for number in (1, 2, 3)
    ]
    (folder / "big" / "q4_k_m-00002-of-00003.gguf").unlink()
    assert (await to.deploy(order, "llamacpp", Steps())).uri == placed.uri  # found, and made whole
    assert len(list(folder.rglob("*.gguf"))) == 3
    await to.remove("llamacpp:big:q4_k_m")
    assert list(folder.rglob("*")) == []
