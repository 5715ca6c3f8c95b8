"""Several processes that train together: the same course, and one end for all of them."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tuning_parts import make_base, make_spec, rows, write_rows

from hone_contracts.errors import ErrorBody
from hone_trainer import tuning
from hone_trainer.errors import ProcessFailed
from hone_trainer.finetune.events import Line
from hone_trainer.tuning import launching
from hone_trainer.tuning.data.batches import MicroBatch, plan
from hone_trainer.tuning.distributed import Group, shares
from hone_trainer.tuning.errors import Cancelled, LauncherMissing, ProcessesLost
from hone_trainer.tuning.prepare import prepare
from hone_trainer.tuning.settings import Settings
from hone_trainer.tuning.spec import Spec
from hone_trainer.tuning.train import train

torch.set_num_threads(1)

# Who does what


def _tokens(step: tuple[MicroBatch, ...], lengths: list[int]) -> int:
    return sum(
        len(micro.rows) * max(sum(lengths[each] for each in row) for row in micro.rows) for micro in step
    )


@given(
    lengths=st.lists(st.integers(1, 300), min_size=1, max_size=60),
    world=st.integers(1, 7),
    micro_tokens=st.integers(32, 2000),
    packed=st.booleans(),
)
def test_every_sequence_is_somebodys_and_nobody_has_much_more(
    lengths: list[int], world: int, micro_tokens: int, packed: bool
) -> None:
    (step,) = plan(lengths, batch=100, micro_tokens=micro_tokens, packed=packed, epochs=1.0, seed=1)
    parts = shares(step, lengths, world)
    assert len(parts) == world
    mine = sorted(each for part in parts for micro in part for row in micro.rows for each in row)
    assert mine == list(range(len(lengths)))
    largest = max(*(_tokens((micro,), lengths) for part in parts for micro in part), *lengths)
    loads = [_tokens(part, lengths) for part in parts]
    assert max(loads) - min(loads) <= largest
    # No process holds more at once than one alone would.
    assert max(_tokens((micro,), lengths) for part in parts for micro in part) <= max(
        _tokens((micro,), lengths) for micro in step
    )


def test_one_row_of_many_sequences_is_shared_as_well() -> None:
    parts = shares((MicroBatch(((0, 1, 2, 3),)),), [40, 30, 20, 10], 2)
    assert [_tokens(part, [40, 30, 20, 10]) for part in parts] == [60, 40]


def test_a_process_alone_takes_its_step_as_it_is() -> None:
    step = (MicroBatch(((0,), (1,))), MicroBatch(((2,),)))
    assert shares(step, [3, 2, 1], 1) == [step]
    tensor = torch.ones(2)
    Group().sum([tensor])
    assert tensor.tolist() == [1, 1]
    assert Group().any(True) and not Group().any(False)
    assert Group().totals({"loss": 2.0}) == {"loss": 2.0}


# How it ended


def _failed(code: str, written: int) -> tuple[Line, int]:
    return Line(stage="failed", error=ErrorBody(code=code, title="", detail=code)), written


FINISHED = (Line(stage="finished", figures={"steps": 3}), 9)
CANCELLED = (Line(stage="cancelled"), 9)


def test_what_failed_first_is_told_and_not_what_it_brought_down() -> None:
    assert launching.outcome([FINISHED, (Line(stage="finished"), 8)]) == {"steps": 3}
    with pytest.raises(Cancelled):
        launching.outcome([CANCELLED, CANCELLED])
    with pytest.raises(ProcessFailed) as known:  # the full disk of one, the lost connection of the other
        launching.outcome([_failed(launching.CRASHED, 1), _failed("tuning_disk_full", 2)])
    assert known.value.code == "tuning_disk_full"
    with pytest.raises(ProcessFailed) as first:
        launching.outcome([_failed(launching.CRASHED, 5), _failed(launching.CRASHED, 4), CANCELLED])
    assert first.value.code == launching.CRASHED
    with pytest.raises(ProcessesLost, match="1 of 0 to 1"):
        launching.outcome([_failed(launching.CRASHED, 5), (None, 0)])
    with pytest.raises(ProcessFailed):
        launching.outcome([_failed("tuning_diverged", 5), (None, 0)])


def test_lines_are_passed_on_whole_and_the_last_one_is_kept_back(tmp_path: Path) -> None:
    file, told = tmp_path / "0.jsonl", list[Line]()
    lines = launching.Told(file)
    lines.pass_on(told.append)  # not begun yet
    whole = b'{"stage":"training","done":1}\n{"stage":"training","done":2}\n{"stage":"finished"}\n'
    for end in range(len(whole) + 1):
        file.write_bytes(whole[:end])
        lines.pass_on(told.append)
    assert [(each.stage, each.done) for each in told] == [("training", 1), ("training", 2)]
    assert launching.last_of(file)[0] == Line(stage="finished")
    file.write_bytes(whole[:-3])
    assert launching.last_of(file) == (None, 0)


def test_several_machines_meet_at_one_place_for_one_run(tmp_path: Path) -> None:
    settings = Settings(processes=4, nodes=3, launcher="torchrun", rendezvous="trainer-0:29400")
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    one.write_text("{}")
    other.write_text("{ }")
    command = launching.torchrun(one, tmp_path, settings)
    assert {"--nnodes=3", "--nproc-per-node=4", "--rdzv-endpoint=trainer-0:29400"} < set(command)
    assert "--standalone" not in command
    (here,), (there,) = (
        [each for each in launching.torchrun(path, tmp_path, settings) if each.startswith("--rdzv-id=")]
        for path in (one, other)
    )
    assert here in command and here != there


def test_ray_that_is_not_installed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "ray" else found(name))
    spec = make_spec(tmp_path, tmp_path, rows(4), processes=2, launcher="ray")
    with pytest.raises(LauncherMissing, match=r"hone-trainer\[ray\]"):
        launching.launch(spec, tmp_path / "spec.json", lambda _: None, lambda: False)


# Real processes


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Spec:
    """A run of 36 steps, ready to be trained by two or by one."""
    folder = tmp_path_factory.mktemp("prepared")
    spec = make_spec(
        folder, make_base(folder / "base"), rows(32), processes=2, launcher="torchrun", epochs=9.0,
        micro_tokens=256, eval_every=20, save_every=1,
        held_out=write_rows(folder / "held_out.jsonl", rows(6, seed=5)),
    )  # fmt: skip
    prepare(spec, lambda _: None, lambda: False)
    return spec


def _copy(prepared: Spec, folder: Path, **settings: Any) -> Spec:
    spec = prepared.model_copy(
        update={"folder": folder, "settings": {**prepared.settings, **settings}, "checkpoints": None}
    )
    shutil.copytree(prepared.out, spec.out)
    return spec


def _started(spec: Spec) -> "subprocess.Popen[str]":
    path = spec.write(spec.folder / "spec.json")
    return subprocess.Popen(
        tuning.command("train", path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"TOKENIZERS_PARALLELISM": "false"},
    )  # fmt: skip


def _at_step(process: "subprocess.Popen[str]", step: int) -> None:
    assert process.stdout is not None
    for text in process.stdout:
        line = Line.model_validate_json(text)
        if line.stage == "training" and line.done >= step:
            return
    assert process.stderr is not None
    raise AssertionError(process.stderr.read())


def _below(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


def _ranks(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    """In their order; torchrun itself is between them and the process that was started."""
    found = {int(each.environ().get("RANK", -1)): each for each in _below(process)}
    return [found[rank] for rank in sorted(found) if rank >= 0]


def _ended(process: "subprocess.Popen[str]", within_s: float = 400) -> tuple[int, Line]:
    told, _ = process.communicate(timeout=within_s)
    return process.returncode, Line.model_validate_json(told.splitlines()[-1])


def _curve(folder: Path) -> list[tuple[int, float, float | None]]:
    told = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    return [(each["step"], each["loss"], each.get("held_out_loss")) for each in told]


def _same_course(one: Path, other: Path) -> None:
    curve = _curve(one)
    assert len(curve) == 36
    for (step, loss, held_out), (there, its_loss, its_held_out) in zip(curve, _curve(other), strict=True):
        assert step == there
        assert loss == pytest.approx(its_loss, rel=1e-5)
        assert held_out == (None if its_held_out is None else pytest.approx(its_held_out, rel=1e-5))


def _alone(prepared: Spec, folder: Path) -> Spec:
    spec = _copy(prepared, folder, processes=1, launcher="none")
    train(spec, lambda _: None, lambda: False)
    return spec


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_processes_take_the_course_of_one_whatever_comes_between(prepared: Spec, tmp_path: Path) -> None:
    """Asked to end, they end together with a checkpoint; one that is killed takes the other with it; begun again,
    they go on to the same curve as one process with as large a batch."""
    spec = _copy(prepared, tmp_path / "two")
    asked = _started(spec)
    _at_step(asked, 2)
    asked.send_signal(signal.SIGTERM)
    code, line = _ended(asked)
    assert (code, line.stage) == (143, "cancelled")

    lost = _started(spec)
    _at_step(lost, 4)
    first, second = _ranks(lost)
    second.kill()
    code, line = _ended(lost)
    assert code == 1 and line.error is not None
    assert line.error.code == "tuning_processes_lost" and "1 of 0 to 1" in line.message
    assert not first.is_running()

    code, line = _ended(_started(spec))
    assert (code, line.stage) == (0, "finished")
    _same_course(_alone(prepared, tmp_path / "one").folder, spec.folder)
    assert (spec.out / "merged" / "model.safetensors").exists()


@pytest.mark.slow
def test_nothing_trains_on_when_who_started_it_is_killed(prepared: Spec, tmp_path: Path) -> None:
    spec = _copy(prepared, tmp_path / "two")
    process = _started(spec)
    _until(lambda: len(list(spec.folder.glob("processes/*/*.jsonl"))) == 2)
    below = _below(process)
    process.kill()
    process.communicate(timeout=10)
    _until(lambda: not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in below))


def _until(condition: Callable[[], bool], within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ray_gives_the_same_course_and_ends_when_it_is_asked(prepared: Spec, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    spec = _copy(prepared, tmp_path / "ray", launcher="ray")
    asked = _started(spec)
    _at_step(asked, 2)
    asked.send_signal(signal.SIGTERM)
    code, line = _ended(asked)
    assert (code, line.stage) == (143, "cancelled")
    code, line = _ended(_started(spec))
    assert (code, line.stage) == (0, "finished")
    _same_course(_alone(prepared, tmp_path / "one").folder, spec.folder)
