"""`hone train`."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path
from typing import Any

import click

from hone.cli import training_settings
from hone.cli.answers import Document, documents, field, optional
from hone.cli.api import Api
from hone.cli.errors import Failed, WrongInput
from hone.cli.figures import figure_lines
from hone.cli.follow import follow_on_terminal
from hone.cli.output import json_option, plain, print_json, say
from hone.cli.sizes import size

_METHODS = ["few_shot", "full", "lora", "qlora", "kto"]
_DIGEST = re.compile(r"[0-9a-f]{8,64}")


@click.group(invoke_without_command=True)
@click.option("--type", "-t", "artifact_type", help="Artifact type, such as mermaid_erd.")
@click.option("--method", type=click.Choice(_METHODS))
@click.option("--base", help="Model reference to start from; default: the route's model.")
@click.option(
    "--dataset", metavar="ID|FILE", help="Digest of a dataset, a file or its URI; default: the pool."
)
@click.option("--config", metavar="FILE.yaml", help="Settings from a file; --set wins over it.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="A hyperparameter; may be repeated."
)
@click.option("--repeat", metavar="RUN_ID", help="A run again: its dataset, base, settings and seed.")
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(min=0.1), help="Seconds to wait for the result."
)
@json_option
@click.pass_context
def train(context: click.Context, /, *, timeout_s: float | None, as_json: bool, **asked: Any) -> None:
    """Train a version, have it evaluated beside the champion, and follow the run to its verdict."""
    if context.invoked_subcommand is not None:
        return
    api = Api()
    accepted = api.post_once("/api/train", _body(**asked), str(uuid.uuid4()))
    _tell_settings(documents(accepted, "settings") if "settings" in accepted else [])
    job = follow_on_terminal(api, field(accepted, "job_id", str), timeout_s)
    if as_json:
        print_json(job)
    else:
        _tell(optional(job, "result", dict) or {})


@train.command()
@json_option
def check(*, as_json: bool) -> None:
    """What the workers have: cards, memory, packages; which methods can run, and what is missing."""
    answer = Api().get("/api/train/check")
    if as_json:
        print_json(answer)
        return
    workers = documents(answer, "workers")
    for worker in workers:
        _tell_worker(worker)
    if not workers:
        raise Failed("no worker is alive; start one (`hone up`, or HONE_TRAINER_ROLE=worker)")


def _body(
    *,
    artifact_type: str | None,
    method: str | None,
    base: str | None,
    dataset: str | None,
    config: str | None,
    settings: tuple[str, ...],
    repeat: str | None,
) -> Document:
    if repeat is None and (artifact_type is None or method is None):
        raise WrongInput("name --type and --method, or a run to --repeat")
    from_file = {} if config is None else training_settings.read(config)
    told = dict(_setting(text) for text in settings)
    origins = dict.fromkeys(from_file, f"file:{Path(config or '').name}") | dict.fromkeys(told, "set")
    body: Document = {
        "type": artifact_type,
        "method": method,
        "repeat": repeat,
        "base": base,
        "dataset": None if dataset is None else source_of(dataset),
        "settings": {**from_file, **told} or None,
        "origins": origins or None,
    }
    return {key: value for key, value in body.items() if value is not None}


def _tell_settings(settings: list[Document]) -> None:
    """By where they come from, what somebody chose first."""
    by_source: dict[str, list[str]] = {}
    for each in settings:
        value = each.get("value")
        shown = value if isinstance(value, str) else json.dumps(value)
        by_source.setdefault(plain(each.get("source")), []).append(
            f"{plain(each.get('name'))} {plain(shown)}"
        )
    for source, told in sorted(by_source.items(), key=lambda each: each[0] == "defaults"):
        say(f"{source}: {', '.join(told)}")


def _tell_worker(worker: Document) -> None:
    free = size(worker.get("free_card_bytes") or 0)
    card = f" {plain(worker.get('card'))}, {free} free" if worker.get("card") else ""
    click.echo(f"{plain(worker.get('worker'))}  {plain(worker.get('device'))}{card}")
    click.echo(f"  methods: {', '.join(map(plain, optional(worker, 'methods', list) or []))}")
    for finding in documents(worker, "findings"):
        severity, name, found = (plain(finding.get(key)) for key in ("severity", "name", "found"))
        advice = f": {plain(finding.get('advice'))}" if finding.get("advice") else ""
        click.echo(f"  {severity:7} {name}  {found}{advice}")


def source_of(dataset: str) -> str:
    """A digest or a URI as it is, a file as its URI: the trainer does not know our working directory."""
    if "://" in dataset or (_DIGEST.fullmatch(dataset) and not Path(dataset).exists()):
        return dataset
    path = Path(dataset)
    if not path.is_file():
        raise WrongInput(f"{plain(dataset, 200)} is neither a file nor a dataset's id; see `hone dataset ls`")
    return path.absolute().as_uri()


def _tell(result: Document) -> None:
    """The verdict is data; its reasons and figures are for the person."""
    click.echo(" ".join(plain(result.get(key)) for key in ("verdict", "model", "name")).strip())
    for reason in optional(result, "reasons", list) or []:
        say(f"  {plain(reason)}")
    for line in figure_lines(optional(result, "figures", dict) or {}):
        say(f"  {line}")


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not (equals and key):
        raise WrongInput(f"--set wants KEY=VALUE, not {text}")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value  # a word
