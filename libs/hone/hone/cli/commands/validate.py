"""`hone validate`: the generator's validators, without a server."""

from __future__ import annotations

import importlib

import click

from hone.cli.answers import Document
from hone.cli.commands.generate import reasons
from hone.cli.errors import FAILED, Failed, Unavailable, WrongInput
from hone.cli.files import read_text
from hone.cli.output import json_option, print_json


@click.command()
@click.option("--type", "-t", "artifact_type", required=True, help="Artifact type, such as mermaid_erd.")
@click.argument("file")
@click.option("--requirements", help="File with the requirements it should cover.")
@json_option
def validate(artifact_type: str, file: str, requirements: str | None, as_json: bool) -> int:
    """Score the artifact in FILE (- reads stdin). Exit code 1 when it is not acceptable."""
    content = read_text(file)
    wanted = read_text(requirements) if requirements else None
    document = _judged(artifact_type, content, wanted)
    if as_json:
        print_json(document)
    else:
        for line in reasons(document):
            click.echo(line)
    return 0 if document["accepted"] else FAILED


def _judged(artifact_type: str, content: str, requirements: str | None) -> Document:
    try:
        # By name: the command line works without the generator, and loads it only here.
        validators = importlib.import_module("hone_generator.validate")
        mermaid = importlib.import_module("hone_generator.mermaid")
    except ModuleNotFoundError as error:
        told = f"the generator is not installed ({error.name} is missing); install hone-generator"
        raise Unavailable(told) from error
    try:
        report = validators.validate(artifact_type, content, requirements)
    except validators.CannotValidate as error:
        raise WrongInput(str(error)) from error
    except mermaid.MermaidError as error:
        raise Failed(f"Mermaid's grammar gave no verdict: {error}") from error
    return {
        "type": str(report.type),
        "score": report.score,
        "accepted": report.accepted,
        "validators": [result.model_dump(mode="json") for result in report.validators],
        "reasons": list(report.reasons),
    }
