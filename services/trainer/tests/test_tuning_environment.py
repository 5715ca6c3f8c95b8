"""`hone train check`: what a machine has, by looking and by trying, and what to do about what is wrong."""

import asyncio
import importlib.metadata
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from hone_contracts.training import EnvironmentFinding
from hone_trainer import tuning
from hone_trainer.runs.looking import Looking
from hone_trainer.tuning import environment

needs_torch = pytest.mark.skipif(bool(tuning.missing("qlora")), reason="training packages are not installed")


def by_name(findings: tuple[EnvironmentFinding, ...]) -> dict[str, EnvironmentFinding]:
    return {each.name: each for each in findings}


def test_a_package_that_is_missing_or_old_is_found_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    there = {"torch": "2.15.0+cu132", "transformers": "4.57.1", "safetensors": "0.6.2", "peft": "0.21.0"}

    def version(name: str) -> str:
        if name not in there:
            raise importlib.metadata.PackageNotFoundError(name)
        return there[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    found = by_name(environment.at_once(tmp_path))
    assert (found["torch"].severity, found["torch"].found) == ("ok", "2.15.0+cu132")
    assert (found["transformers"].severity, found["transformers"].found) == (
        "error",
        "4.57.1 is older than 5.23",
    )
    assert "make train-deps" in found["transformers"].advice
    assert found["bitsandbytes"].severity == "warning", "all but qlora can do without"


@pytest.mark.parametrize(("free", "severity"), [(1e9, "error"), (10e9, "warning"), (100e9, "ok")])
def test_little_room_on_the_disk_is_told(
    free: float, severity: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=int(free)))
    found = by_name(environment.at_once(tmp_path / "not/there"))["disk"]
    assert found.severity == severity
    assert bool(found.advice) == (severity != "ok")


@needs_torch
@pytest.mark.slow
async def test_what_a_machine_computes_is_tried_in_a_process_of_its_own() -> None:
    found = by_name(await environment.tried())
    device = found["fp32 on cpu"] if "fp32 on cpu" in found else found["fp32 on cuda"]
    assert device.severity == "ok", device
    assert found["4 bits"].severity == "ok", found["4 bits"]
    assert not [each for each in found.values() if each.severity == "error"]


async def test_a_process_that_dies_while_it_tries_is_a_finding(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'libcuda: wrong driver' >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    [found] = await environment.tried()
    assert (found.severity, found.found) == ("error", "its process ended with 3: libcuda: wrong driver")
    broken.write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setattr(environment, "_TRIED_WITHIN_S", 0.3)
    [found] = await environment.tried()
    assert found.found == "no answer after 0.3 s"


async def test_a_worker_tells_at_once_what_it_sees_and_later_what_it_tried(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    go, asked = asyncio.Event(), 0

    async def tried() -> tuple[EnvironmentFinding, ...]:
        nonlocal asked
        asked += 1
        await go.wait()
        return (EnvironmentFinding(name="4 bits", severity="error", found="it is broken"),)

    monkeypatch.setattr(environment, "tried", tried)
    monkeypatch.setattr(tuning, "missing", lambda _method="lora": ())
    looking = Looking(tmp_path, after_s=0)
    first = await looking.look()
    assert {"torch", "memory", "disk"} <= by_name(first.findings).keys()
    assert "qlora" in first.methods
    go.set()
    while "4 bits" not in by_name((await looking.look()).findings):
        await asyncio.sleep(0.01)
    last = await looking.look()
    assert "qlora" not in last.methods
    assert "lora" in last.methods
    assert asked == 1


async def test_a_worker_that_does_more_than_train_tries_nothing_before_somebody_asks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Importing torch with every start would cost who never trains a core for seconds."""
    asked = 0

    async def tried() -> tuple[EnvironmentFinding, ...]:
        nonlocal asked
        asked += 1
        return (EnvironmentFinding(name="4 bits", severity="ok", found="they work"),)

    monkeypatch.setattr(environment, "tried", tried)
    monkeypatch.setattr(tuning, "missing", lambda _method="lora": ())
    looking = Looking(tmp_path, eager=False, after_s=0)
    await looking.look()
    await asyncio.sleep(0.05)
    assert asked == 0
    await looking.try_now(5)
    assert "4 bits" in by_name((await looking.look()).findings)
    await looking.try_now(5)
    assert asked == 1
