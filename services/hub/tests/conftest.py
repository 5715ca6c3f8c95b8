"""Models, an engine, hostile files and Ollamas, shared by the hub's tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_parts import ollamas
from hub_parts.fake_ollama import FakeOllama, serving
from hub_parts.models import Library
from hub_parts.ollamas import Ollama
from hub_parts.starter import unpack
from tokenizers import Tokenizer


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    return Library(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def starter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the model that ships with Hone."""
    return unpack(tmp_path_factory.mktemp("unpacked") / "starter")


@pytest.fixture
def fake_ollama(starter: Path, tmp_path: Path) -> Iterator[FakeOllama]:
    folder = tmp_path / "fake-ollama"
    folder.mkdir()
    with serving(FakeOllama(folder, Tokenizer.from_file(str(starter / "tokenizer.json")))) as fake:
        yield fake


@pytest.fixture(scope="session")
def real_ollama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ollama]:
    if ollamas.program() is None:
        why = "no ollama here; `go install github.com/ollama/ollama@v0.11.4` makes one"
        if os.environ.get("HONE_REQUIRE_OLLAMA") == "1":
            pytest.fail(why)
        pytest.skip(why)
    with ollamas.started(tmp_path_factory.mktemp("ollama")) as ollama:
        yield ollama


@pytest.fixture(params=["stand-in", "real"])
def ollama(request: pytest.FixtureRequest) -> Ollama:
    """The same test runs on both."""
    if request.param == "real":
        real: Ollama = request.getfixturevalue("real_ollama")
        return real
    return Ollama(request.getfixturevalue("fake_ollama").url)
