"""`hone jobs`."""

from __future__ import annotations

import click

from hone.cli.answers import Document, documents, field, optional
from hone.cli.api import Api, path_to
from hone.cli.attempts import attempt_lines
from hone.cli.figures import figure_lines
from hone.cli.follow import (
    event_data,
    follow,
    follow_on_terminal,
    interruption_explained,
    require_success,
)
from hone.cli.output import json_option, moment, plain, print_json, print_table, say
from hone.cli.plot import plot
from hone.cli.sse import ServerEvent

_SHOWN = ("id", "kind", "state", "attempt", "created_at", "finished_at")
_STATES = ("queued", "running", "succeeded", "failed", "cancelled")


@click.group()
def jobs() -> None:
    """Long work: generations, conversions, training."""


@jobs.command()
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True)
@click.option("--state", type=click.Choice(_STATES))
@json_option
def ls(limit: int, state: str | None, as_json: bool) -> None:
    """The latest jobs."""
    answer = Api().get("/api/jobs", limit=limit, state=state)
    rows = documents(answer, "jobs")
    if as_json:
        print_json(answer)
        return
    print_table(_SHOWN, [[_cell(job, key) for key in _SHOWN] for job in rows])


@jobs.command()
@click.argument("job_id", metavar="ID")
@json_option
def show(job_id: str, as_json: bool) -> None:
    """One job: state, progress, result or error."""
    print_job(Api().get(path_to("jobs", job_id)), as_json)


@jobs.command()
@click.argument("job_id", metavar="ID")
@click.option("--timeout", "timeout_s", type=click.FloatRange(min=0.1), help="Seconds to wait for its end.")
@json_option
def watch(job_id: str, timeout_s: float | None, as_json: bool) -> None:
    """Follow a job to its end; --json prints one event a line. Exit code 1 unless it succeeds."""
    api = Api()
    if not as_json:
        print_job(follow_on_terminal(api, job_id, timeout_s), as_json=False)
        return
    with interruption_explained(job_id):
        job = follow(api, job_id, _print_event, timeout_s)
    require_success(job, job_id)


@jobs.command()
@click.argument("job_id", metavar="ID")
@json_option
def cancel(job_id: str, as_json: bool) -> None:
    """Cancel a job that has not ended."""
    job = Api().post(path_to("jobs", job_id, "cancel"))
    if as_json:
        print_json(job)
    else:
        say(f"job {job_id} is {plain(field(job, 'state', str))}")


@jobs.command()
@click.argument("job_id", metavar="ID")
@json_option
def pause(job_id: str, as_json: bool) -> None:
    """Have a training run write a checkpoint and wait; it keeps its examples and its place."""
    _steer(job_id, "pause", as_json)


@jobs.command()
@click.argument("job_id", metavar="ID")
@json_option
def resume(job_id: str, as_json: bool) -> None:
    """Let a paused training run go on from its checkpoint."""
    _steer(job_id, "resume", as_json)


@jobs.command()
@click.argument("job_id", metavar="ID")
@json_option
def stop(job_id: str, as_json: bool) -> None:
    """End a training run early and keep the best that it has learned."""
    _steer(job_id, "stop", as_json)


@jobs.command()
@click.argument("job_id", metavar="ID")
@click.option("--points", type=click.IntRange(2, 2000), default=500, show_default=True)
@json_option
def curve(job_id: str, points: int, as_json: bool) -> None:
    """The losses of a training run, of what it trains on and of what it never sees."""
    found = Api().get(path_to("jobs", job_id, "curve"), points=points)
    if as_json:
        print_json(found)
        return
    lines = plot(found)
    for line in lines:
        click.echo(line)
    if not lines:
        say(f"no losses of {job_id} are known yet; `hone jobs watch {job_id}` shows how far it is")


def _steer(job_id: str, action: str, as_json: bool) -> None:
    run = Api().post(path_to("jobs", job_id, action))
    if as_json:
        print_json(run)
        return
    state = plain(field(run, "state", str))
    told = {
        "pause": f"run {job_id} is {state}; go on with `hone jobs resume {job_id}`",
        "resume": f"run {job_id} is {state}; follow it with `hone jobs watch {job_id}`",
        "stop": f"run {job_id} is {state}, and ends with the best it has; `hone jobs watch {job_id}` follows it",
    }
    say(told[action])


def print_job(job: Document, as_json: bool) -> None:
    if as_json:
        print_json(job)
        return
    for key in _SHOWN:
        click.echo(f"{key:12} {_cell(job, key)}".rstrip())
    for key in ("progress", "result", "error"):
        for name, value in (optional(job, key, dict) or {}).items():
            if name == "figures" and key == "progress":
                for line in figure_lines(value if isinstance(value, dict) else {}):
                    click.echo(f"{key:12} {line}")
            elif value not in (None, "") and name != "attempts":
                click.echo(f"{key:12} {plain(name)}: {plain(value)}")
    for line in attempt_lines(optional(job, "error", dict) or {}):
        click.echo(line)


def _cell(job: Document, key: str) -> str:
    return moment(job[key]) if key.endswith("_at") and job.get(key) else plain(job.get(key))


def _print_event(event: ServerEvent) -> None:
    print_json({"event": event.name, "id": event.id, "data": event_data(event)})
