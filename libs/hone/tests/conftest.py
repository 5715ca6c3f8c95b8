"""A gateway to talk to, `hone` to talk to it with, and a machine to start Hone on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from calling_hone import Hone, Result
from gateway_stand_in import KEY, Gateway, Running
from launched import Machine

from hone.cli import main


@pytest.fixture(scope="module")
def listening() -> Iterator[Gateway]:
    made = Gateway()
    with Running(made):
        yield made


@pytest.fixture
def gateway(listening: Gateway, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Gateway:
    listening.forget()
    monkeypatch.setenv("HONE_URL", listening.url)
    monkeypatch.setenv("HONE_API_KEY", KEY)
    monkeypatch.setenv("HONE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")  # loopback must not go through it
    return listening


@pytest.fixture
def hone(capfd: pytest.CaptureFixture[str]) -> Hone:
    def call(*arguments: str) -> Result:
        code = main.run(list(arguments))
        out, err = capfd.readouterr()
        assert "Traceback" not in out + err
        return Result(code, out, err)

    return call


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path / "data folder")  # with a space, as on a Mac
    yield made
    made.clear()
