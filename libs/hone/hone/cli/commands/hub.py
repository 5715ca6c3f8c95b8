"""`hone hub`."""

from __future__ import annotations

import uuid
from pathlib import Path

import click

from hone.cli.answers import Document, field, optional
from hone.cli.api import Api
from hone.cli.follow import follow_on_terminal
from hone.cli.output import json_option, plain, print_json


@click.group()
def hub() -> None:
    """Model files."""


@hub.command()
@click.argument("source", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The GGUF file to write.")
@click.option("--quant", default="Q8_0", show_default=True, help="Quantization, such as Q8_0 or F16.")
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
def inspect_file(file: Path, as_json: bool) -> None:
    """What a GGUF file holds, and whether it keeps its promises."""
    report = Api().post("/api/hub/inspect-file", {"path": str(file.absolute())})
    if as_json:
        print_json(report)
        return
    for name, value in report.items():
        shown = (
            f"{len(value)} entries, see --json"
            if isinstance(value, list | dict) and len(value) > 8
            else value
        )
        click.echo(f"{plain(name):20} {plain(shown, 200)}")


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
