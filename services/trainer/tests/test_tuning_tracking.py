"""What is written down of a run, wherever it goes on, and what trackers may do to it: nothing."""

import importlib.util
import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import tuning_parts

from hone_trainer.tuning import trackers, tracking
from hone_trainer.tuning.errors import Cancelled, DiskFull, TrackerMissing
from hone_trainer.tuning.settings import Settings
from hone_trainer.tuning.spec import Spec
from hone_trainer.tuning.trackers import Beside, Point

torch.set_num_threads(1)


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    made = tuning_parts.make_spec(tmp_path, tmp_path / "base", tuning_parts.rows(4))
    return made.model_copy(update={"told": {"run_id": "run-7"}})


def _lines(spec: Spec) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (spec.folder / "metrics.jsonl").read_text("utf-8").splitlines()]


def _logged(spec: Spec, *steps: int, loss: float = 1.0, **settings: Any) -> None:
    with tracking.tracker(spec, Settings(**settings)) as tracker:
        for step in steps:
            tracker.log(step, {"loss": loss, "learning_rate": 1e-4})


def test_each_step_is_a_line_and_stands_there_at_once(spec: Spec) -> None:
    with tracking.tracker(spec, Settings()) as tracker:
        tracker.log(1, {"loss": 2.5, "held_out_loss": 2.0})
        assert [(each["step"], each["loss"], each["held_out_loss"]) for each in _lines(spec)] == [
            (1, 2.5, 2.0)
        ]


def test_steps_that_come_again_count_as_they_came_last(spec: Spec) -> None:
    _logged(spec, 1, 2, 3, 4)
    _logged(spec, 3, 4, 5, loss=0.5)
    assert [(each["step"], each["loss"]) for each in _lines(spec)] == [
        (1, 1),
        (2, 1),
        (3, 0.5),
        (4, 0.5),
        (5, 0.5),
    ]


def test_a_line_that_was_torn_is_gone_when_the_run_goes_on(spec: Spec) -> None:
    _logged(spec, 1, 2, 3)
    file = spec.folder / "metrics.jsonl"
    whole = file.read_bytes()
    second = whole.index(b"\n", whole.index(b"\n") + 1) + 1
    for length in range(second, len(whole)):
        file.write_bytes(whole[:length])
        _logged(spec, 3, loss=0.5)
        assert [each["step"] for each in _lines(spec)] == [1, 2, 3], length
        assert _lines(spec)[-1]["loss"] == 0.5


def test_the_record_has_what_repeats_a_run(spec: Spec) -> None:
    _logged(spec, 1, seed=9, learning_rate=3e-4)
    record = tracking.read_record(spec.folder)
    assert record["run"] == {"run_id": "run-7"}
    assert record["settings"]["seed"] == 9 and record["settings"]["learning_rate"] == 3e-4
    assert record["sha256"]["train"] == tracking.sha256(spec.train)
    assert record["versions"]["torch"] == torch.__version__.partition("+")[0] or record["versions"]["torch"]
    assert record["machine"]["processor"]
    assert Spec.model_validate(record["spec"]) == spec
    assert record["ended"] == "trained"
    tracking.finish(spec, {"held_out_loss": 0.25})
    assert tracking.read_record(spec.folder) == record | {"figures": {"held_out_loss": 0.25}}


def test_the_record_tells_how_each_worker_left_it(spec: Spec) -> None:
    with pytest.raises(Cancelled), tracking.tracker(spec, Settings()) as tracker:
        tracker.log(1, {"loss": 1.0})
        raise Cancelled
    assert tracking.read_record(spec.folder)["ended"] == "tuning_cancelled"
    _logged(spec.model_copy(update={"fence": 2}), 2)
    record = tracking.read_record(spec.folder)
    assert [each["worker"] for each in record["starts"]] == [1, 2] and record["ended"] == "trained"


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"[" * 100_000, b"\xff"])
def test_a_record_that_is_none_is_written_anew(spec: Spec, raw: bytes) -> None:
    spec.folder.mkdir()
    (spec.folder / "run.json").write_bytes(raw)
    _logged(spec, 1)
    assert tracking.read_record(spec.folder)["ended"] == "trained"


def test_of_several_processes_one_writes(spec: Spec) -> None:
    with tracking.tracker(spec, Settings(), rank=1) as tracker:
        tracker.log(1, {"loss": 1.0})
    assert not spec.folder.exists()


def test_a_full_disk_is_told_as_that(spec: Spec) -> None:
    spec.folder.mkdir()
    (spec.folder / "metrics.jsonl").symlink_to("/dev/full")
    with pytest.raises(DiskFull), tracking.tracker(spec, Settings()) as tracker:
        tracker.log(1, {"loss": 1.0})


@pytest.mark.parametrize(
    ("package", "settings"),
    [("mlflow", {"mlflow_uri": "http://127.0.0.1:5000"}), ("tensorboard", {"tensorboard": True})],
)
def test_a_tracker_that_is_not_installed_is_told_before_anything_is_done(
    spec: Spec, package: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == package else found(name))
    with pytest.raises(TrackerMissing, match="pip install"), tracking.tracker(spec, Settings(**settings)):
        pass
    assert not spec.folder.exists()


class _Broken:
    """A server that is down, and takes its time to say so."""

    def __init__(self, delay_s: float = 0.0) -> None:
        self.asked, self._delay_s = 0, delay_s
        self.going_on = threading.Event()

    def take(self, points: Sequence[Point]) -> None:
        self.asked += 1
        self.going_on.wait(self._delay_s)
        raise ConnectionError("nobody answers")

    def end(self, *, finished: bool) -> None:
        raise ConnectionError("nobody answers")


def test_a_server_that_does_not_answer_holds_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trackers, "_WAITS_S", 0.2)
    sink = _Broken(delay_s=60)
    beside = Beside("broken", sink)
    began = time.monotonic()
    for step in range(30_000):
        beside.log(step, {"loss": 1.0})
    beside.close(finished=True)
    assert time.monotonic() - began < 10
    assert beside.problem
    sink.going_on.set()


def test_a_server_that_is_down_is_left_alone_after_some_tries() -> None:
    sink = _Broken()
    beside = Beside("broken", sink)
    for step in range(2000):
        beside.log(step, {"loss": 1.0})
    beside.close(finished=True)
    assert 1 <= sink.asked <= 3
    assert beside.problem == "ConnectionError: nobody answers"


class _Kept:
    def __init__(self) -> None:
        self.points: list[Point] = []
        self.ended: bool | None = None

    def take(self, points: Sequence[Point]) -> None:
        self.points += points

    def end(self, *, finished: bool) -> None:
        self.ended = finished


def test_what_waits_is_told_before_the_run_ends_and_numbers_alone() -> None:
    sink = _Kept()
    beside = Beside("kept", sink)
    for step in range(1000):
        beside.log(step, {"loss": float(step), "seconds_left": float("nan")})
    beside.close(finished=True)
    assert [each.step for each in sink.points] == list(range(1000))
    assert all(each.figures == {"loss": float(each.step)} for each in sink.points)
    assert sink.ended is True and beside.problem is None


def test_tensorboard_reads_the_figures_and_takes_back_what_came_again(spec: Spec) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    _logged(spec, 1, 2, 3, 4, tensorboard=True)
    _logged(spec, 3, 4, 5, loss=0.5, tensorboard=True)
    read = accumulator.EventAccumulator(str(spec.folder / "tensorboard"))
    read.Reload()
    assert [(each.step, each.value) for each in read.Scalars("loss")] == [
        (1, 1), (2, 1), (3, 0.5), (4, 0.5), (5, 0.5),
    ]  # fmt: skip


def test_mlflow_has_one_run_however_often_it_went_on(spec: Spec, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    _logged(spec, 1, 2, mlflow_uri=uri, rank=8)
    _logged(spec, 3, loss=0.5, mlflow_uri=uri, rank=8)
    assert tracking.read_record(spec.folder)["not_told"] == {}
    client = mlflow.MlflowClient(tracking_uri=uri)
    (run,) = client.search_runs([client.get_experiment_by_name("hone").experiment_id])
    assert run.info.status == "FINISHED" and run.data.params["rank"] == "8"
    history = sorted((each.step, each.value) for each in client.get_metric_history(run.info.run_id, "loss"))
    assert history == [(1, 1), (2, 1), (3, 0.5)]


def test_mlflow_that_is_down_leaves_a_note(spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setattr(trackers, "_WAITS_S", 60)
    _logged(spec, 1, 2, mlflow_uri="http://127.0.0.1:9")
    record = tracking.read_record(spec.folder)
    assert record["ended"] == "trained" and "mlflow" in record["not_told"]
    assert [each["step"] for each in _lines(spec)] == [1, 2]
