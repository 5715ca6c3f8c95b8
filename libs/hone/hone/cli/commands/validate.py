"""`hone validate`: the generator's validators, without a server."""

from __future__ import annotations

import importlib
from typing import Any, Protocol, cast

import click

from hone.cli.commands.generate import reasons
from hone.cli.errors import FAILED, Unavailable, WrongInput
from hone.cli.files import read_text
from hone.cli.output import json_option, print_json


class Report(Protocol):
    """What `hone_generator.validate.validate` returns: score, accepted, validators, as in the artifact document."""

    accepted: bool

    def model_dump(self, *, mode: str) -> dict[str, Any]: ...


class Validator(Protocol):
    def __call__(self, artifact_type: str, content: str, requirements: str | None) -> Report:
        """Raises `LookupError` for an unknown type, with a message that lists the known ones."""


@click.command()
@click.option("--type", "-t", "artifact_type", required=True, help="Artifact type, such as mermaid_erd.")
@click.argument("file")
@click.option("--requirements", help="File with the requirements it should cover.")
@json_option
def validate(artifact_type: str, file: str, requirements: str | None, as_json: bool) -> int:
    """Score the artifact in FILE (- reads stdin). Exit code 1 when it is not acceptable."""
    content = read_text(file)
    wanted = read_text(requirements) if requirements else None
    try:
        report = _validator()(artifact_type, content, wanted)
    except LookupError as error:
        raise WrongInput(str(error.args[0]) if error.args else f"unknown type {artifact_type}") from error
    document = report.model_dump(mode="json")
    if as_json:
        print_json(document)
    else:
        for line in reasons(document):
            click.echo(line)
    return 0 if report.accepted else FAILED


def _validator() -> Validator:
    try:
        module = importlib.import_module("hone_generator.validate")
    except ModuleNotFoundError as error:
        raise Unavailable(
            f"the generator is not installed ({error.name} is missing); install hone-generator"
        ) from error
    return cast(Validator, module.validate)
