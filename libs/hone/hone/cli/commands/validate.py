"""`hone validate`: the generator's validators, without a server."""

from __future__ import annotations

import importlib
from pathlib import PurePath
from typing import Any

import click

from hone.cli.answers import Document
from hone.cli.commands.generate import option_of, reasons
from hone.cli.errors import FAILED, Failed, Unavailable, WrongInput
from hone.cli.files import read_text
from hone.cli.output import json_option, print_json


@click.command()
@click.option("--type", "-t", "artifact_type", help="Artifact type; told from FILE when not given.")
@click.argument("file")
@click.option("--requirements", help="File with the requirements it should cover.")
@click.option("--context", help="File with the project's own words and names.")
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="As in dialect=sqlite.")
@json_option
def validate(
    *,
    artifact_type: str | None,
    file: str,
    requirements: str | None,
    context: str | None,
    options: tuple[str, ...],
    as_json: bool,
) -> int:
    """Score the artifact in FILE (- reads stdin). Exit code 1 when it is not acceptable."""
    if [file, requirements, context].count("-") > 1:
        raise WrongInput(
            "stdin can be one of FILE, the requirements and the context; name files for the others"
        )
    document = _judged(
        artifact_type,
        read_text(file),
        requirements=read_text(requirements) if requirements else None,
        context=read_text(context) if context else None,
        options=dict(map(option_of, options)),
        suffix=PurePath(file).suffix,
    )
    if as_json:
        print_json(document)
    else:
        click.echo(f"type {document['type']}")
        for line in reasons(document):
            click.echo(line)
    return 0 if document["accepted"] else FAILED


def _judged(artifact_type: str | None, content: str, **told: Any) -> Document:
    try:
        # By name: the command line works without the generator, and loads it only here.
        validators = importlib.import_module("hone_generator.validate")
        mermaid = importlib.import_module("hone_generator.mermaid")
    except ModuleNotFoundError as error:
        missing = f"the generator is not installed ({error.name} is missing); install hone-generator"
        raise Unavailable(missing) from error
    try:
        report = validators.validate(artifact_type, content, **told)
    except validators.CannotValidate as error:
        raise WrongInput(str(error)) from error
    except mermaid.MermaidError as error:
        raise Failed(f"Mermaid's grammar gave no verdict: {error}") from error
    judged: Document = report.model_dump(mode="json")
    return judged
