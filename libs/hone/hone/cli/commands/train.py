"""`hone train`."""

from __future__ import annotations

import json
import re
import uuid
from pathlib import Path
from typing import Any

import click

from hone.cli.answers import Document, field, optional
from hone.cli.api import Api
from hone.cli.errors import WrongInput
from hone.cli.figures import figure_lines
from hone.cli.follow import follow_on_terminal
from hone.cli.output import json_option, plain, print_json, say

_METHODS = ["few_shot", "full", "lora", "qlora", "kto"]
_DIGEST = re.compile(r"[0-9a-f]{8,64}")


@click.command()
@click.option("--type", "-t", "artifact_type", required=True, help="Artifact type, such as mermaid_erd.")
@click.option("--method", required=True, type=click.Choice(_METHODS))
@click.option("--base", help="Model reference to start from; default: the route's model.")
@click.option(
    "--dataset", metavar="ID|FILE", help="Digest of a dataset, a file or its URI; default: the pool."
)
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="A hyperparameter; may be repeated."
)
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(min=0.1), help="Seconds to wait for the result."
)
@json_option
def train(
    *,
    artifact_type: str,
    method: str,
    base: str | None,
    dataset: str | None,
    settings: tuple[str, ...],
    timeout_s: float | None,
    as_json: bool,
) -> None:
    """Train a version, have it evaluated beside the champion, and follow the run to its verdict."""
    body: Document = {
        "type": artifact_type,
        "method": method,
        "base": base,
        "dataset": None if dataset is None else source_of(dataset),
        "settings": dict(_setting(text) for text in settings) or None,
    }
    body = {key: value for key, value in body.items() if value is not None}
    api = Api()
    accepted = api.post_once("/api/train", body, str(uuid.uuid4()))
    job = follow_on_terminal(api, field(accepted, "job_id", str), timeout_s)
    if as_json:
        print_json(job)
    else:
        _tell(optional(job, "result", dict) or {})


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
