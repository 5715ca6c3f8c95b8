"""`hone up`, `hone down`, `hone status`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click

from hone.cli.answers import Document
from hone.cli.api import Api
from hone.cli.endpoint import find_endpoint
from hone.cli.errors import FAILED, UNAVAILABLE, CliError, Unavailable
from hone.cli.output import json_option, plain, print_json, print_table, say
from hone.launcher import control, detach
from hone.launcher.datafolder import DataFolder, RunState, default_data_folder
from hone.launcher.plan import LaunchPlan
from hone.launcher.up import up as launch

_data_option = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Data folder; default: HONE_DATA_DIR, or this user's data folder.",
)


@click.command()
@click.option("--detach", "detached", is_flag=True, help="Return when everything is ready; it runs on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8400, show_default=True, help="0: any free one."
)
@_data_option
@json_option
@click.pass_obj
def up(
    make_plan: Callable[..., LaunchPlan], detached: bool, port: int, data: Path | None, as_json: bool
) -> None:
    """Start NATS and all services on this machine, and wait until they are ready.

    Stop with Ctrl-C, or `hone down` from elsewhere.
    """
    plan = make_plan(data=_folder(data).root, port=port)
    audience = _Terminal(as_json)
    if detached:
        audience.ready(detach.up_detached(plan, audience.progress))
    else:
        launch(plan, audience, echo_warnings=True)


@click.command()
@_data_option
@json_option
def down(data: Path | None, as_json: bool) -> None:
    """Stop what `hone up` started, and wait until it is gone."""
    folder = _folder(data)
    pid = control.down(folder)
    if as_json:
        print_json({"stopped": pid is not None, "pid": pid, "data": str(folder.root)})
    elif pid is None:
        say(f"nothing runs on {folder.root}")
    else:
        say(f"stopped (process {pid}, {folder.root})")


@click.command()
@_data_option
@json_option
def status(data: Path | None, as_json: bool) -> int:
    """What runs, and whether each service is ready.

    Exit code 0: all ready; 1: it runs, but not all is ready; 5: it does not run. With HONE_URL set, asks that
    gateway.
    """
    if os.environ.get("HONE_URL") and data is None:
        report = Api().get("/api/status")
        services = report.get("services")
        ready = isinstance(services, list) and all(isinstance(s, dict) and s.get("ready") for s in services)
        report = {"running": True, **report}
    else:
        folder = _folder(data)
        state = folder.running_state()
        if state is None:
            return _not_running(folder, as_json)
        services = control.services_of(state)
        _add_gateways_view(folder, state, services)
        ready = all(service["ready"] for service in services)
        report = {"running": True, **asdict(state), "services": services}
    if as_json:
        print_json(report)
    else:
        _print_status(report)
    return 0 if ready else FAILED


def _folder(data: Path | None) -> DataFolder:
    return DataFolder(data.expanduser().absolute() if data else default_data_folder())


def _not_running(folder: DataFolder, as_json: bool) -> int:
    if as_json:
        print_json({"running": False, "data": str(folder.root)})
        return UNAVAILABLE
    raise Unavailable(f"Hone does not run on {folder.root}; start it with `hone up`")


def _add_gateways_view(folder: DataFolder, state: RunState, services: list[Document]) -> None:
    """What the gateway hears over the bus may differ from what a service says of itself."""
    if not services or state.services.get("gateway", {}).get("state") != "ready":
        return
    try:
        told = Api(find_endpoint(folder)).get("/api/status").get("services")
    except CliError as error:
        services[0]["detail"] = services[0]["detail"] or f"GET /api/status: {error}"
        return
    details = (
        {s.get("name"): s.get("detail") for s in told if isinstance(s, dict)}
        if isinstance(told, list)
        else {}
    )
    for service in services:
        service["detail"] = service["detail"] or plain(details.get(service["name"]))


def _print_status(report: Document) -> None:
    for label, key in (("url", "url"), ("data", "data"), ("pid", "pid"), ("since", "started_at")):
        if report.get(key):
            click.echo(f"{label:8} {plain(report[key])}")
    services = report.get("services")
    rows = [s for s in services if isinstance(s, dict)] if isinstance(services, list) else []
    print_table(
        ["service", "ready", "port", "pid", "restarts", "detail"],
        [
            [
                s.get("name"),
                "yes" if s.get("ready") else "no",
                *(s.get(k) for k in ("port", "pid", "restarts", "detail")),
            ]
            for s in rows
        ],
    )


class _Terminal:
    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json

    def progress(self, line: str) -> None:
        say(line)

    def ready(self, state: RunState) -> None:
        if self._as_json:
            print_json(asdict(state))
        else:
            nats = f"nats://127.0.0.1:{state.nats['port']} (credentials in {state.data}/run/hone.json)"
            for label, value in (
                ("url", state.url),
                ("data", state.data),
                ("key", state.key_file),
                ("nats", nats),
                ("logs", state.logs),
            ):
                click.echo(f"{label:6} {value}")
        sys.stdout.flush()  # whoever reads a pipe wants it now, not when we stop
