"""Trackers beside the run's own files: MLflow and TensorBoard, told in a thread of their own.

MLflow's client tries a server that is not there for minutes. So what a tracker is told waits in a queue, and what
does not fit is dropped: every figure stands in `metrics.jsonl` in any case.
"""

import hashlib
import math
import os
import queue
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

_MOST_WAITING = 20_000  # steps
_AT_ONCE = 100
_GIVES_UP_AFTER = 3  # failures with nothing between them
_WAITS_S = 20.0  # for the last figures, when the run is over


@dataclass(frozen=True)
class Point:
    step: int
    at_ms: int
    figures: Mapping[str, float]


class Sink(Protocol):
    """Both may take long and may raise anything."""

    def take(self, points: Sequence[Point]) -> None: ...

    def end(self, *, finished: bool) -> None: ...


class Beside:
    """``problem``: why the sink was not told all; None as long as it was."""

    def __init__(self, name: str, sink: Sink) -> None:
        self.name, self._sink = name, sink
        self.problem: str | None = None
        self._waiting: queue.Queue[Point | None] = queue.Queue(_MOST_WAITING)
        self._finished = False
        self._thread = threading.Thread(target=self._work, daemon=True, name=f"tracking-{name}")
        self._thread.start()

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """At once, whatever the sink does."""
        finite = {name: float(value) for name, value in figures.items() if math.isfinite(value)}
        try:
            self._waiting.put_nowait(Point(step, int(time.time() * 1000), finite))
        except queue.Full:
            self.problem = self.problem or "it is too slow, and some steps were not told"

    def close(self, *, finished: bool) -> None:
        """Gives the sink the time that is reasonable."""
        self._finished = finished
        try:
            self._waiting.put(None, timeout=_WAITS_S)
        except queue.Full:
            return
        self._thread.join(_WAITS_S)
        if self._thread.is_alive():
            self.problem = self.problem or f"it did not take the last figures within {_WAITS_S:g} s"

    def _work(self) -> None:
        failures, last = 0, False
        while not last:
            points, last = self._next()
            if failures >= _GIVES_UP_AFTER:
                continue
            try:
                if points:
                    self._sink.take(points)
                if last:
                    self._sink.end(finished=self._finished)
                failures = 0
            except Exception as error:  # noqa: BLE001 - somebody else's code and server; the training goes on
                failures += 1
                self.problem = f"{type(error).__name__}: {error}"[:500]

    def _next(self) -> tuple[list[Point], bool]:
        points: list[Point] = []
        one = self._waiting.get()
        while one is not None:
            points.append(one)
            if len(points) == _AT_ONCE:
                return points, False
            try:
                one = self._waiting.get_nowait()
            except queue.Empty:
                return points, False
        return points, True


class TensorBoard:
    """Files that TensorBoard reads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: Any = None

    def take(self, points: Sequence[Point]) -> None:
        if self._writer is None:
            from torch.utils.tensorboard.writer import SummaryWriter  # noqa: PLC0415 - an extra

            # What was shown of these steps before the run went on from a checkpoint is taken back.
            self._writer = SummaryWriter(str(self._folder), purge_step=points[0].step)
        for point in points:
            for name, value in point.figures.items():
                self._writer.add_scalar(name, value, point.step, walltime=point.at_ms / 1000)
        self._writer.flush()

    def end(self, *, finished: bool) -> None:  # noqa: ARG002 - its files say nothing of that
        if self._writer is not None:
            self._writer.close()


class MLflow:
    """A run of the experiment ``hone``. One that goes on elsewhere is the same run there, found by its tag."""

    _EXPERIMENT, _TAG = "hone", "hone_run"
    _METRICS_AT_ONCE = 1000  # MLflow's limit

    def __init__(self, uri: str, run: str, settings: Mapping[str, Any]) -> None:
        self._uri, self._name, self._settings = uri, run, settings
        # It stands in a query, between quotes.
        self._tag = run if re.fullmatch(r"[\w.-]{1,100}", run) else hashlib.sha256(run.encode()).hexdigest()
        self._client: Any = None
        self._run = ""

    def take(self, points: Sequence[Point]) -> None:
        from mlflow.entities import Metric  # noqa: PLC0415 - an extra

        client = self._joined()
        metrics = [
            Metric(name, value, point.at_ms, point.step)
            for point in points
            for name, value in point.figures.items()
        ]
        for start in range(0, len(metrics), self._METRICS_AT_ONCE):
            client.log_batch(self._run, metrics=metrics[start : start + self._METRICS_AT_ONCE])

    def end(self, *, finished: bool) -> None:
        self._joined().set_terminated(self._run, "FINISHED" if finished else "KILLED")

    def _joined(self) -> Any:
        if self._run:
            return self._client
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # its own 7 take minutes
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        from mlflow import MlflowClient  # noqa: PLC0415 - an extra
        from mlflow.entities import Param  # noqa: PLC0415

        self._client = client = MlflowClient(tracking_uri=self._uri)
        experiment = client.get_experiment_by_name(self._EXPERIMENT)
        place = experiment.experiment_id if experiment else client.create_experiment(self._EXPERIMENT)
        there = client.search_runs([place], f"tags.{self._TAG} = '{self._tag}'", max_results=1)
        if there:
            self._run = there[0].info.run_id
            client.update_run(self._run, status="RUNNING")
            return client
        run = client.create_run(place, run_name=self._name[-200:], tags={self._TAG: self._tag})
        params = [Param(name, str(value)[:500]) for name, value in self._settings.items()]
        client.log_batch(run.info.run_id, params=params)
        self._run = run.info.run_id
        return client
