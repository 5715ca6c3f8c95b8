"""`hone models` and `hone routes`."""

from __future__ import annotations

import click

from hone.cli.answers import Document, documents, field, optional
from hone.cli.api import Api, path_to
from hone.cli.errors import Refused
from hone.cli.output import json_option, moment, plain, print_json, print_table

_ROUTE_COLUMNS = ("model", "version", "reading", "threshold", "timeout_s", "temperature")


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


@click.group()
def routes() -> None:
    """Which models serve which artifact type."""


@routes.command("show")
@click.argument("artifact_type", metavar="[TYPE]", required=False)
@json_option
def show_routes(artifact_type: str | None, as_json: bool) -> None:
    """The routing table, or the route of one type."""
    answer = Api().get("/api/routes")
    table = field(answer, "routes", dict)
    if artifact_type is not None:
        if artifact_type not in table:
            known = ", ".join(plain(name) for name in table) or "none"
            raise Refused(404, f"no route for {artifact_type}; there are: {known}")
        table = {artifact_type: table[artifact_type]}
        answer = {"routes": table}
    if as_json:
        print_json(answer)
        return
    print_table(
        ["type", *_ROUTE_COLUMNS],
        [
            [name, *(route.get(column) for column in _ROUTE_COLUMNS)]
            for name, route in table.items()
            if isinstance(route, dict)
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
