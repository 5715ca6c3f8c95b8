"""`hone jobs`."""

from __future__ import annotations

import click

from hone.cli.answers import Document, documents, field, optional
from hone.cli.api import Api, path_to
from hone.cli.attempts import attempt_lines
from hone.cli.follow import (
    event_data,
    follow,
    follow_on_terminal,
    interruption_explained,
    require_success,
)
from hone.cli.output import json_option, moment, plain, print_json, print_table, say
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


def print_job(job: Document, as_json: bool) -> None:
    if as_json:
        print_json(job)
        return
    for key in _SHOWN:
        click.echo(f"{key:12} {_cell(job, key)}".rstrip())
    for key in ("progress", "result", "error"):
        for name, value in (optional(job, key, dict) or {}).items():
            if value not in (None, "") and name != "attempts":
                click.echo(f"{key:12} {plain(name)}: {plain(value)}")
    for line in attempt_lines(optional(job, "error", dict) or {}):
        click.echo(line)


def _cell(job: Document, key: str) -> str:
    return moment(job[key]) if key.endswith("_at") and job.get(key) else plain(job.get(key))


def _print_event(event: ServerEvent) -> None:
    print_json({"event": event.name, "id": event.id, "data": event_data(event)})
