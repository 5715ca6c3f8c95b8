"""`hone train`."""

from __future__ import annotations

import json
from typing import Any

import click

from hone.cli.answers import Document
from hone.cli.api import Api
from hone.cli.commands.hub import run_job
from hone.cli.errors import WrongInput
from hone.cli.output import json_option


@click.command()
@click.option("--type", "-t", "artifact_type", required=True, help="Artifact type, such as mermaid_erd.")
@click.option("--method", required=True, type=click.Choice(["few_shot", "full", "lora", "qlora", "kto"]))
@click.option("--base", help="Model reference to start from.")
@click.option("--dataset", help="Id of a dataset, or a file.")
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
    """Train a model for an artifact type, and follow the job."""
    body: Document = {"type": artifact_type, "method": method, "base": base, "dataset": dataset}
    body = {key: value for key, value in body.items() if value is not None}
    if settings:
        body["settings"] = dict(_setting(text) for text in settings)
    run_job(Api(), "/api/train", body, timeout_s, as_json)


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not (equals and key):
        raise WrongInput(f"--set wants KEY=VALUE, not {text}")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value  # a word
