"""`hone hub`."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import click

from hone.cli.answers import Document, field, optional
from hone.cli.api import Api
from hone.cli.commands import hub_models
from hone.cli.errors import FAILED
from hone.cli.follow import follow_on_terminal
from hone.cli.output import json_option, plain, print_json

_MOST_ITEMS = 10


@click.group()
def hub() -> None:
    """Models: find them, bring them here, convert and inspect files."""


for command in (
    hub_models.search,
    hub_models.inspect,
    hub_models.add,
    hub_models.list_models,
    hub_models.remove,
):
    hub.add_command(command)


@hub.command()
@click.argument("source", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The GGUF file to write.")
@click.option(
    "--quant",
    default="Q8_0",
    show_default=True,
    help="F32, F16, BF16, Q8_0, Q6_K, Q5_K_M, Q5_0, Q4_K_M or Q4_0.",
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(min=0.1), help="Seconds to wait for the result."
)
@json_option
def convert(
    source: Path, out: Path, quant: str, *, force: bool, timeout_s: float | None, as_json: bool
) -> None:
    """Convert a model folder in Hugging Face's layout to GGUF."""
    api = Api()
    # The hub runs elsewhere: it does not know our working directory.
    body = {"source": str(source.absolute()), "out": str(out.absolute()), "quant": quant, "overwrite": force}
    run_job(api, "/api/hub/convert", body, timeout_s, as_json)


@hub.command("inspect-file")
@click.argument("file", metavar="FILE.gguf", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def inspect_file(file: Path, as_json: bool) -> int:
    """What a GGUF file holds, and whether it keeps its promises. Exit code 1 when it must not be loaded."""
    report = Api().post("/api/hub/inspect-file", {"path": str(file.absolute())})
    if as_json:
        print_json(report)
    else:
        for name, value in _facts(report):
            click.echo(f"{plain(name, 60):30} {plain(value, 120)}")
    return FAILED if report.get("ok") is False else 0


def _facts(report: Document, prefix: str = "") -> Iterator[tuple[str, str]]:
    """A report as names and values, one a line: `tokenizer.special.eos.id`, `3`. What is not known is left out."""
    for key, value in report.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _facts(value, f"{name}.")
        elif isinstance(value, list):
            if not value:
                yield name, "none"
            for item in value[:_MOST_ITEMS]:
                yield (
                    name,
                    ": ".join(plain(part) for part in item.values())
                    if isinstance(item, dict)
                    else plain(item),
                )
            if len(value) > _MOST_ITEMS:
                yield name, f"and {len(value) - _MOST_ITEMS} more: --json has them all"
        elif isinstance(value, bool):
            yield name, "yes" if value else "no"
        elif name.endswith("_bytes") and isinstance(value, int):
            yield name, f"{value} ({value / 1e6:.1f} MB)"
        elif value is not None:
            yield name, plain(value)


def run_job(api: Api, path: str, body: Document, timeout_s: float | None, as_json: bool) -> None:
    """Post, follow the job to its end, print its result."""
    accepted = api.post_once(path, body, str(uuid.uuid4()))
    job_id = accepted.get("job_id") or accepted.get("id")
    job = follow_on_terminal(api, field({"job_id": job_id}, "job_id", str), timeout_s)
    if as_json:
        print_json(job)
        return
    for name, value in (optional(job, "result", dict) or {}).items():
        click.echo(f"{plain(name):20} {plain(value)}")
