"""What sources are called, what they become, and what fits on a disk: without a service."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hone_contracts.hub_models import MODEL_NAME
from hone_contracts.huggingface import REPOSITORY, RepositoryFile
from hone_hub.adding import budget, sources
from hone_hub.adding.errors import BadSource, NotEnoughDisk
from hone_hub.adding.holding import Holding
from hone_hub.adding.sources import LibraryName, LocalFile, LocalFolder, Repository, default_name
from hone_hub.downloads.downloads import Wanted
from hone_hub.errors import HubError
from hone_hub.file_roots import FileRoots


@pytest.mark.parametrize(
    ("source", "quant", "name"),
    [
        ("Qwen/Qwen2.5-Coder-7B-Instruct-GGUF", "Q4_K_M", "qwen2.5-coder-7b-instruct:q4_k_m"),
        ("acme/model", "UD-Q4_K_XL", "model:ud-q4_k_xl"),
        ("tiny-model-Q8_0", "Q8_0", "tiny-model:q8_0"),
        ("gpt2", None, "gpt2"),
        ("ein Modell, größer", "F16", "ein-modell-gr-er:f16"),
        ("...", None, "model"),
    ],
)
def test_a_model_is_called_by_its_repository_and_quantization(
    source: str, quant: str | None, name: str
) -> None:
    assert default_name(source, quant) == name


@given(st.text(max_size=300), st.none() | st.text(max_size=100))
def test_whatever_a_source_is_called_providers_take_the_name(source: str, quant: str | None) -> None:
    assert re.fullmatch(MODEL_NAME, default_name(source, quant))


@given(
    st.one_of(
        st.text(),
        st.from_regex(REPOSITORY),
        st.text().map("ollama:{}".format),
        st.text().map("file://{}".format),
    )
)
def test_any_text_is_a_source_or_refused(text: str) -> None:
    try:
        found = sources.read(text, FileRoots([Path("/nowhere")]))
    except HubError as error:
        assert "; " in str(error)
    else:
        assert isinstance(found, Repository | LibraryName)


def test_files_shards_and_folders_are_told_apart(tmp_path: Path) -> None:
    roots = FileRoots([tmp_path])
    (tmp_path / "folder").mkdir()
    names = ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"]
    for each in (*names, "one.gguf"):
        (tmp_path / each).write_bytes(b"GGUF")
    assert sources.read((tmp_path / "folder").as_uri(), roots) == LocalFolder(tmp_path / "folder")
    assert sources.read((tmp_path / "one.gguf").as_uri(), roots) == LocalFile((tmp_path / "one.gguf",))
    shards = sources.read((tmp_path / names[1]).as_uri(), roots)
    assert isinstance(shards, LocalFile)
    assert ([path.name for path in shards.paths], shards.stem) == (names, "m")
    (tmp_path / names[0]).unlink()
    with pytest.raises(BadSource, match="is missing beside it"):
        sources.read((tmp_path / names[1]).as_uri(), roots)
    with pytest.raises(BadSource, match="holds GGUF files"):
        sources.read(tmp_path.as_uri(), roots)


def test_writings_on_one_disk_share_its_room(tmp_path: Path) -> None:
    half = shutil.disk_usage(tmp_path).free * 6 // 10
    budget.check([budget.Writing(tmp_path / "a" / "b", half)], 0)
    with pytest.raises(NotEnoughDisk, match="would be written"):
        budget.check([budget.Writing(tmp_path / "a" / "b", half), budget.Writing(tmp_path / "c", half)], 0)
    budget.check([budget.Writing(tmp_path, 0)], 1 << 62)  # nothing is written


def test_what_is_on_the_disk_already_needs_no_room(tmp_path: Path) -> None:
    file = RepositoryFile(path="m.gguf", size_bytes=100, sha256="a" * 64)
    wanted = Wanted("acme/m", "c" * 40, (file,))
    assert budget.missing_bytes(tmp_path, wanted) == 100
    blobs = tmp_path / "models--acme--m" / "blobs"
    blobs.mkdir(parents=True)
    (blobs / f"{'a' * 64}.part").write_bytes(b"x" * 40)
    assert budget.missing_bytes(tmp_path, wanted) == 60
    assert budget.missing_bytes(tmp_path, None) == 0


async def test_who_waits_for_a_name_uses_it_too() -> None:
    holding = Holding()
    async with holding.alone("name"):
        assert holding.is_used("name")
        with holding.used("name", "files"):
            assert holding.is_used("files")
        assert holding.is_used("name")
        assert not holding.is_used("files")
    assert not holding.is_used("name")
