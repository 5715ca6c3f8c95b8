"""Following a job to its end: the stream may break as often as it likes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hone.cli.answers import Document, field, optional
from hone.cli.api import Api, path_to
from hone.cli.attempts import attempt_lines
from hone.cli.errors import BrokenOff, Failed, Interrupted, NotNow, Unavailable
from hone.cli.output import ProgressLine, plain, say
from hone.cli.sizes import size
from hone.cli.sse import ServerEvent
from hone.cli.training import Figures, show_curve

# The generator's words for the turns of a search.
_STAYS = frozenset({"scored", "restarting", "repairing", "asking again", "next model", "waiting"})
# The hub's words for stages that count bytes.
_OF_BYTES = frozenset({"download", "digest", "inspect", "convert", "upload", "create", "pull", "prove"})
_ENDED = ("succeeded", "failed", "cancelled")
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
# In vain, one after the other, with pauses: two minutes of a gateway that is down.
_ATTEMPTS = 28


class Timeout(Unavailable):
    def __init__(self, job_id: str, timeout_s: float) -> None:
        super().__init__(
            f"no result within {timeout_s:g} s; the job goes on, follow it with `hone jobs watch {plain(job_id)}`"
        )


def follow(
    api: Api, job_id: str, on_event: Callable[[ServerEvent], None], timeout_s: float | None = None
) -> Document:
    """The job once it has ended. `on_event` sees every event once, across reconnects."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    last_id: str | None = None
    in_vain = 0
    while True:
        try:
            for event in api.events(path_to("jobs", job_id, "events"), last_id, deadline):
                if event.id is not None and event.id != last_id:
                    last_id, in_vain = event.id, 0
                on_event(event)
                if event.name in ("done", "snapshot") and (job := _ended_job(event)):
                    return job
                if event.name == "done":
                    return api.get(path_to("jobs", job_id))
        except TimeoutError:
            in_vain = 0
        except (BrokenOff, NotNow) as error:
            if in_vain >= _ATTEMPTS:
                raise Unavailable(f"{error} (the job goes on: `hone jobs watch {plain(job_id)}`)") from error
        in_vain += 1
        if in_vain > _ATTEMPTS:
            raise Unavailable(
                f"the job's events end too early, again and again; ask `hone jobs show {plain(job_id)}`"
            )
        pause_s = min(_FIRST_PAUSE_S * 2 ** (in_vain - 1), _LONGEST_PAUSE_S)
        if deadline is not None:
            if time.monotonic() >= deadline:
                assert timeout_s is not None
                raise Timeout(job_id, timeout_s)
            pause_s = min(pause_s, deadline - time.monotonic())
        time.sleep(max(0.0, pause_s))


def follow_on_terminal(api: Api, job_id: str, timeout_s: float | None = None) -> Document:
    """Follow with progress on stderr; raises `Failed` unless the job succeeds. Returns the job."""
    line, figures = ProgressLine(), Figures()
    with interruption_explained(job_id, line):
        job = follow(api, job_id, lambda event: _tell(line, event, figures), timeout_s)
    show_curve(api, job)
    require_success(job, job_id)
    return job


def _tell(line: ProgressLine, event: ServerEvent, figures: Figures) -> None:
    """What came of an attempt, and why another begins, stays to be read; where one stands is gone with the next."""
    progress = event_data(event) if event.name == "progress" else {}
    measured = figures.text(progress.get("figures"))
    text = progress_text(event, instead=measured)
    stage, done, total = optional(progress, "stage", str), progress.get("done"), progress.get("total")
    if stage in _STAYS:
        line.keep(text)
    else:  # the first and the last of what is counted are worth a line of any log
        moves = stage is not None and (stage in _OF_BYTES or bool(measured)) and done and done != total
        line.show(text, counting=stage or "" if moves else "")


@contextmanager
def interruption_explained(job_id: str, line: ProgressLine | None = None) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        raise Interrupted(
            f"the job goes on; see it with `hone jobs watch {plain(job_id)}`, "
            f"end it with `hone jobs cancel {plain(job_id)}`"
        ) from None
    finally:
        if line is not None:
            line.end()


def require_success(job: Document, job_id: str) -> None:
    state = field(job, "state", str)
    if state == "succeeded":
        return
    error = optional(job, "error", dict) or {}
    tried = attempt_lines(error)
    for line in tried:
        say(line)
    said = ": ".join(filter(None, (plain(error.get("title")), plain(error.get("detail")))))
    if state == "cancelled":
        raise Failed(f"job {plain(job_id)} was cancelled")
    if tried:  # the detail would say the same once more, in one long line
        said = f"{plain(error.get('title')) or 'it failed'}; what was tried, and what to do, stands above"
    raise Failed(
        said or f"job {plain(job_id)} failed without saying why; see `hone jobs show {plain(job_id)}`"
    )


def progress_text(event: ServerEvent, instead: str = "") -> str:
    """`reading: 3 of 12, …` from a progress event, or from the job of a snapshot; empty when that says nothing.
    ``instead``: what says more than its message."""
    if event.name not in ("progress", "snapshot"):  # the job of a `done` carries what was last written down
        return ""
    data = event_data(event)
    progress = data if event.name == "progress" else optional(data, "progress", dict)
    if not progress:
        return plain(data.get("state")) if event.name == "snapshot" else ""
    stage, message = plain(progress.get("stage")), instead or plain(progress.get("message"))
    done, total = progress.get("done"), progress.get("total")
    count = _count(stage, done, total) if isinstance(done, int) and isinstance(total, int) else ""
    counted = f"{stage}: {count}" if stage and count else stage or count
    return ", ".join(filter(None, (counted, message if message != stage else "")))


def _count(stage: str, done: int, total: int) -> str:
    if stage not in _OF_BYTES:
        return f"{done} of {total}" if total else ""
    return f"{size(done)} of {size(total)} ({done * 100 // total} %)" if 0 < done <= total else ""


def event_data(event: ServerEvent) -> Document:
    try:
        data = json.loads(event.data)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _ended_job(event: ServerEvent) -> Document | None:
    data = event_data(event)
    job = optional(data, "job", dict) or data
    return job if job.get("state") in _ENDED else None
