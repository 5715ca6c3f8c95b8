"""What is written down of a run: `metrics.jsonl`, a line a step, and `run.json`, all that is needed to repeat it.

Both are always written, into the run's folder. MLflow and TensorBoard are told the same where they are configured,
beside the training and never in its way: a server that does not answer costs a note in `run.json`.
"""

import importlib.util
import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path
from typing import Any

from hone_trainer.tuning.checkpoints import is_full, versions
from hone_trainer.tuning.errors import DiskFull, TrackerMissing
from hone_trainer.tuning.prepared import FILE as PREPARED
from hone_trainer.tuning.settings import Settings
from hone_trainer.tuning.spec import Spec
from hone_trainer.tuning.trackers import Beside, MLflow, TensorBoard

METRICS, RECORD = "metrics.jsonl", "run.json"
_LONGEST_LINE = 64 << 10
_MOST_STARTS = 100
_MAX_RECORD_BYTES = 16 << 20
_SPARE_BYTES = 1 << 20


def check(settings: Settings) -> None:
    """Before time is spent. Raises TrackerMissing where what is configured is not installed."""
    if settings.mlflow_uri is not None and importlib.util.find_spec("mlflow") is None:
        raise TrackerMissing("mlflow-skinny", "mlflow_uri")
    if settings.tensorboard and importlib.util.find_spec("tensorboard") is None:
        raise TrackerMissing("tensorboard", "tensorboard")


class Tracker:
    """Takes the figures of each step, in order. After a rollback steps come again, and count as they came last."""

    def __init__(self, metrics: "Metrics | None", beside: list[Beside]) -> None:
        self._metrics, self._beside = metrics, beside

    def log(self, step: int, figures: Mapping[str, float]) -> None:
        """Raises DiskFull."""
        if self._metrics is not None:
            self._metrics.write(step, figures)
        for each in self._beside:
            each.log(step, figures)


@contextmanager
def tracker(spec: Spec, settings: Settings, rank: int = 0) -> Iterator[Tracker]:
    """Of several processes the first one writes. Raises TrackerMissing, DiskFull."""
    if rank:
        yield Tracker(None, [])
        return
    check(settings)
    spec.folder.mkdir(parents=True, exist_ok=True)
    record = _begun(spec, settings)
    _write(spec.folder, record)
    beside = _others(spec, settings)
    metrics = Metrics(spec.folder / METRICS)
    try:
        yield Tracker(metrics, beside)
    except BaseException as error:
        with suppress(DiskFull):  # may be what ended it
            _ended(spec, record, getattr(error, "code", type(error).__name__), metrics, beside)
        raise
    _ended(spec, record, "trained", metrics, beside)


def _ended(spec: Spec, record: Mapping[str, Any], how: str, metrics: "Metrics", beside: list[Beside]) -> None:
    metrics.close()
    for each in beside:
        each.close(finished=how == "trained")
    problems = {each.name: each.problem for each in beside if each.problem}
    _write(spec.folder, {**record, "ended": how, "ended_at": _now(), "not_told": problems})


def finish(spec: Spec, figures: Mapping[str, Any]) -> None:
    """Add what came of the run to its record. Raises DiskFull."""
    _write(spec.folder, read_record(spec.folder) | {"figures": dict(figures)})


def read_record(folder: Path) -> dict[str, Any]:
    """The run.json of a run; empty where there is none, or none that can be read."""
    try:
        with (folder / RECORD).open("rb") as stream:
            raw = stream.read(_MAX_RECORD_BYTES + 1)
        found = json.loads(raw) if len(raw) <= _MAX_RECORD_BYTES else None
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


class Metrics:
    """`metrics.jsonl`: an object a line with ``step`` and the step's figures; steps rise from line to line.

    A run that goes on adds to what is there: a torn last line goes, and so do the lines of steps that come again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._starts: list[tuple[int, int]] = []  # step and where its line begins
        self._stream = path.open("ab", buffering=0)
        self._end = self._read()
        if self._end < path.stat().st_size:
            self._stream.truncate(self._end)

    def write(self, step: int, figures: Mapping[str, float]) -> None:
        """Raises DiskFull."""
        try:
            while self._starts and self._starts[-1][0] >= step:
                self._end = self._starts.pop()[1]
                self._stream.truncate(self._end)
            line = json.dumps({"step": step, "at": _now(), **figures}).encode() + b"\n"
            self._stream.write(line)
        except OSError as error:
            if is_full(error):
                raise DiskFull(self._path.parent, _SPARE_BYTES) from error
            raise
        self._starts.append((step, self._end))
        self._end += len(line)

    def close(self) -> None:
        self._stream.close()

    def _read(self) -> int:
        """Where the last whole line ends."""
        end = 0
        with self._path.open("rb") as stream:
            while (line := stream.readline(_LONGEST_LINE)).endswith(b"\n"):
                try:
                    step = int(json.loads(line)["step"])
                except (ValueError, KeyError, TypeError, RecursionError):
                    break
                self._starts.append((step, end))
                end += len(line)
        return end


def _begun(spec: Spec, settings: Settings) -> dict[str, Any]:
    """Inputs by their digests, not by where they lay: these folders are gone when it is repeated."""
    before = read_record(spec.folder).get("starts")
    starts = [*(before if isinstance(before, list) else []), {"at": _now(), "worker": spec.fence}]
    try:
        prepared = json.loads((spec.out / PREPARED).read_bytes())
    except (OSError, ValueError):
        prepared = None  # tracked outside of the three phases
    files = {"train": spec.train, "held_out": spec.held_out, "probes": spec.probes}
    return {
        "run": spec.told,
        "method": spec.method,
        "kind": spec.kind,
        "settings": settings.model_dump(mode="json"),
        "prepared": prepared,
        "sha256": {name: sha256(path) for name, path in files.items() if path is not None and path.is_file()},
        "adapter": _adapter(spec.adapter),
        "spec": spec.model_dump(mode="json"),
        "versions": versions(),
        "machine": machine(),
        "processes": int(os.environ.get("WORLD_SIZE", "1")),
        "starts": starts[-_MOST_STARTS:],
    }


def machine() -> dict[str, Any]:
    """On what the same bits are to be expected."""
    found = {"platform": platform.platform(), "processor": _processor(), "cores": os.cpu_count()}
    import torch  # noqa: PLC0415 - the process has it by now, and `check` needs none

    if torch.cuda.is_available():
        found |= {"card": torch.cuda.get_device_name(), "cuda": torch.version.cuda}
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())


def sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return file_digest(stream, "sha256").hexdigest()


def _adapter(folder: Path | None) -> dict[str, str] | None:
    """The champion's, by its files."""
    if folder is None:
        return None
    return {each.name: sha256(each) for each in sorted(folder.iterdir()) if each.is_file()}


def _others(spec: Spec, settings: Settings) -> list[Beside]:
    found = []
    if settings.tensorboard:
        found.append(Beside("tensorboard", TensorBoard(spec.folder / "tensorboard")))
    if settings.mlflow_uri is not None:
        run = str(spec.told.get("run_id") or spec.folder.resolve())
        found.append(Beside("mlflow", MLflow(settings.mlflow_uri, run, settings.model_dump(mode="json"))))
    return found


def _write(folder: Path, record: Mapping[str, Any]) -> None:
    unfinished = folder / f".{RECORD}.part"
    try:
        with unfinished.open("w", encoding="utf-8") as stream:
            stream.write(json.dumps(record, indent=1) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        unfinished.replace(folder / RECORD)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        if is_full(error):
            raise DiskFull(folder, _SPARE_BYTES) from error
        raise


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
