"""`hone up` and `hone down`. Without httpx: what `hone up` imports stays in memory as long as it runs."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click

from hone.cli.data_option import data_option, folder_of
from hone.cli.output import json_option, print_json, say
from hone.launcher import control, detach
from hone.launcher.datafolder import RunState, default_data_folder
from hone.launcher.plan import LaunchPlan
from hone.launcher.up import up as launch


@click.command()
@click.option("--detach", "detached", is_flag=True, help="Return when everything is ready; it runs on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8400, show_default=True, help="0: any free one."
)
@data_option
@json_option
@click.pass_obj
def up(
    make_plan: Callable[..., LaunchPlan], detached: bool, port: int, data: Path | None, as_json: bool
) -> None:
    """Start NATS and all services on this machine, and wait until they are ready.

    Stop with Ctrl-C, or `hone down` from elsewhere.
    """
    plan = make_plan(data=folder_of(data).root, port=port)
    audience = _Terminal(as_json)
    if detached:
        audience.ready(detach.up_detached(plan, audience.progress))
    else:
        launch(plan, audience, echo_warnings=True)


@click.command()
@data_option
@json_option
def down(data: Path | None, as_json: bool) -> None:
    """Stop what `hone up` started, and wait until it is gone."""
    folder = folder_of(data)
    pid = control.down(folder)
    if as_json:
        print_json({"stopped": pid is not None, "pid": pid, "data": str(folder.root)})
    elif pid is None:
        say(f"nothing runs on {folder.root}")
    else:
        say(f"stopped (process {pid}, {folder.root})")


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
        if Path(state.data) != default_data_folder():
            say(f"for other commands to find it: export HONE_DATA_DIR={shlex.quote(state.data)}")
        sys.stdout.flush()  # whoever reads a pipe wants it now, not when we stop
