"""The entry of `hone`. Commands are loaded when they are called, so that `hone --help` is there at once."""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click

from hone import __version__
from hone.cli.errors import FAILED, INTERRUPTED, USAGE, CliError
from hone.cli.output import plain
from hone.launcher.datafolder import DataFolder, default_data_folder
from hone.launcher.errors import LauncherError
from hone.launcher.plan import LaunchPlan

_COMMANDS = {
    "up": ("machine:up", "Start Hone on this machine."),
    "down": ("machine:down", "Stop it."),
    "status": ("status:status", "What runs, and whether it is ready."),
    "generate": ("generate:generate", "Turn requirements into an artifact."),
    "feedback": ("feedback:feedback", "Say what an artifact is worth; Hone learns from it."),
    "validate": ("validate:validate", "Score an artifact file; works without a server."),
    "jobs": ("jobs:jobs", "List, show, watch and cancel jobs."),
    "hub": ("hub:hub", "Find models, bring them here, convert and inspect files."),
    "models": ("models:models", "Models and their versions: see, promote, roll back, export."),
    "routes": ("routes:routes", "Which models serve which artifact type."),
    "keys": ("keys:keys", "API keys: create, list, revoke."),
    "dead": ("dead:dead", "Messages nobody could process: read them, send them again."),
    "train": ("train:train", "Train a version of a model, and prove it."),
    "dataset": ("dataset:dataset", "Training data: check files, see the pool, build datasets."),
}


class LazyGroup(click.Group):
    def list_commands(self, _ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, name = _COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(f"hone.cli.commands.{module}"), name)
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hone")
def hone() -> None:
    """Hone turns requirements into design artifacts with local language models, and keeps them sharp.

    Commands talk to a running gateway: HONE_URL and HONE_API_KEY, or what `hone up` started. Exit codes: 0 done,
    1 failed, 2 usage, 3 not found, 4 not authorised, 5 unavailable.
    """


def main() -> None:
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str], make_plan: Callable[..., LaunchPlan] = LaunchPlan) -> int:
    """Run one command; returns its exit code. make_plan: what `hone up` starts."""
    try:
        code = hone.main(arguments, prog_name="hone", standalone_mode=False, obj=make_plan)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of our output has left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (click.ClickException, CliError, LauncherError, KeyboardInterrupt, click.Abort) as error:
        message, code = _explained(error)
        return _end(message, code)
    except Exception as error:  # noqa: BLE001 - the edge of the process
        told = f"unexpected {type(error).__name__}: {plain(error, 300)}; see {_record()}, and report it"
        return _end(told, FAILED)
    return code if isinstance(code, int) else 0


def _explained(error: BaseException) -> tuple[str, int]:
    """The line and the exit code for a way to end that has a name."""
    match error:
        case click.UsageError():
            command = error.ctx.command_path if error.ctx else "hone"
            # Without arguments click's message is the whole help, which is not one line.
            bare = isinstance(error, click.exceptions.NoArgsIsHelpError)
            message = "a command is missing." if bare else plain(error.format_message())
            return f"{message} See `{command} --help`", USAGE
        case click.ClickException():
            return error.format_message(), error.exit_code
        case LauncherError():
            for line in error.details.splitlines():
                click.echo(f"  {plain(line)}", err=True)
            return str(error), error.exit_code
        case CliError():
            return str(error), error.exit_code
    return "interrupted", INTERRUPTED


def _end(message: str, code: int) -> int:
    click.echo(f"hone: {plain(message)}", err=True)
    return code


def _record() -> Path:
    """Write the traceback of the current exception to a file that only its owner can read."""
    text = f"{datetime.now(UTC).isoformat()} hone {__version__} {sys.argv[1:2]}\n{traceback.format_exc()}\n"
    log = DataFolder(default_data_folder()).log_of("cli")
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError:
        descriptor, name = tempfile.mkstemp(prefix="hone-", suffix=".log")
        log = Path(name)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return log
