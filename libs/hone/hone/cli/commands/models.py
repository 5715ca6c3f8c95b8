"""`hone models`."""

from __future__ import annotations

import click

from hone.cli.answers import Document, documents, optional
from hone.cli.api import Api, path_to
from hone.cli.output import json_option, moment, plain, print_json, print_table


@click.group()
def models() -> None:
    """The models that Hone knows, with their versions."""


@models.command("ls")
@json_option
def list_models(as_json: bool) -> None:
    """Every model, its newest version and its aliases."""
    answer = Api().get("/api/models")
    rows = documents(answer, "models")
    if as_json:
        print_json(answer)
        return
    print_table(["name", "versions", "aliases"], [_model_row(model) for model in rows])


@models.command()
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """One model's versions."""
    model = Api().get(path_to("models", name))
    versions = documents(model, "versions")
    if as_json:
        print_json(model)
        return
    print_table(
        ["version", "aliases", "size_bytes", "created_at", "uri"],
        [
            [
                v.get("version"),
                _joined(v.get("aliases")),
                v.get("size_bytes"),
                moment(v.get("created_at")),
                v.get("uri"),
            ]
            for v in versions
        ],
    )


def _model_row(model: Document) -> list[object]:
    versions = [v for v in optional(model, "versions", list) or [] if isinstance(v, dict)]
    aliases = [
        f"{plain(alias)} → {plain(v.get('version'))}"
        for v in versions
        for alias in _aliases(v.get("aliases"))
    ]
    return [model.get("name"), len(versions), ", ".join(aliases)]


def _aliases(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _joined(value: object) -> str:
    return ", ".join(plain(item) for item in _aliases(value))
