"""`hone models`."""

from __future__ import annotations

import json
import time

import click

from hone.cli.answers import Document, documents, optional
from hone.cli.api import Api, path_to
from hone.cli.commands import registry_file
from hone.cli.output import json_option, moment, plain, print_json, print_table, say

_LATEST = 5


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
    """One model: its versions, what became of them, where they come from, and how the latest did."""
    api = Api()
    model = api.get(path_to("models", name))
    versions = documents(model, "versions")
    judged = api.get(path_to("models", name, "evaluations"), limit=_LATEST)
    evaluated = documents(judged, "evaluations")
    canaries = _canaries(api.get("/api/routes"), model.get("name"))
    if as_json:
        print_json({**model, "canaries": canaries, "evaluations": evaluated})
        return
    print_table(
        [
            "version",
            "name",
            "state",
            "aliases",
            "method",
            "from",
            "dataset",
            "size_bytes",
            "created_at",
            "uri",
        ],
        [_version_row(version, canaries) for version in versions],
    )
    if evaluated:
        click.echo()
        _print_evaluations(evaluated)


@models.command()
@click.argument("name")
@click.option("--version", help="Number or name of one version.")
@click.option("--limit", type=click.IntRange(1, 200), default=20, show_default=True)
@json_option
def evaluations(name: str, version: str | None, limit: int, as_json: bool) -> None:
    """How versions did beside the champion of their time, what was decided, and why; --json has the figures."""
    answer = Api().get(path_to("models", name, "evaluations"), version=version, limit=limit)
    rows = documents(answer, "evaluations")
    if as_json:
        print_json(answer)
    else:
        _print_evaluations(rows)


@models.command()
@click.argument("name")
@click.argument("version")
@click.option("--type", "-t", "artifact_type", help="Where the version was trained for several.")
@json_option
def promote(name: str, version: str, artifact_type: str | None, as_json: bool) -> None:
    """Make VERSION (its number or name) champion, whatever its evaluation says."""
    body = _given(version=version, type=artifact_type)
    _moved("promote", name, body, as_json)


@models.command()
@click.argument("name")
@click.option("--to", metavar="VERSION", help="An earlier champion; default: the one before.")
@click.option("--type", "-t", "artifact_type", help="Where the model answers for several types.")
@click.option("--reason", help="For the audit trail.")
@json_option
def rollback(name: str, to: str | None, artifact_type: str | None, reason: str | None, as_json: bool) -> None:
    """Make the champion before, or one of the last five, champion again. No file is touched."""
    _moved("rollback", name, _given(to=to, type=artifact_type, reason=reason), as_json)


@models.command()
@click.option("--subject", help="Only of subjects that begin so, such as model: or route:mermaid_erd.")
@click.option("--before", type=click.IntRange(1), help="Only entries with smaller ids: the next page.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True)
@json_option
def audit(subject: str | None, before: int | None, limit: int, as_json: bool) -> None:
    """Who changed what, and why; newest first."""
    answer = Api().get("/api/audit", subject=subject, before=before, limit=limit)
    rows = documents(answer, "entries")
    if as_json:
        print_json(answer)
        return
    print_table(
        ["id", "occurred_at", "actor", "action", "subject", "detail"],
        [
            [
                row.get("id"),
                moment(row.get("occurred_at")),
                row.get("actor"),
                row.get("action"),
                row.get("subject"),
                _detail(optional(row, "detail", dict) or {}),
            ]
            for row in rows
        ],
    )


models.add_command(registry_file.export)
models.add_command(registry_file.import_)


def _moved(verb: str, name: str, body: Document, as_json: bool) -> None:
    # Sent once: a rollback whose answer was lost may have been done, and twice is two versions back.
    api, started = Api(), time.monotonic()
    moved = api.post(path_to("models", name, verb), body)
    took_ms = (time.monotonic() - started) * 1000
    if as_json:
        print_json({**moved, "took_ms": round(took_ms, 1)})
        return
    champion, was = plain(moved.get("champion_name")), plain(moved.get("was"))
    version = f"version {plain(moved.get('champion'))}"
    click.echo(
        f"{plain(moved.get('model'))}: {champion or version} ({version}) is champion of "
        f"{plain(moved.get('artifact_type'))}" + (f", was version {was}" if was else "")
    )
    for reason in optional(moved, "reasons", list) or []:
        say(f"  {plain(reason)}")
    say(f"done in {took_ms:.0f} ms")


def _given(**values: str | None) -> Document:
    return {name: value for name, value in values.items() if value is not None}


def _print_evaluations(rows: list[Document]) -> None:
    print_table(
        ["created_at", "type", "challenger", "champion", "verdict", "reasons"],
        [
            [
                moment(row.get("created_at")),
                row.get("artifact_type"),
                row.get("challenger"),
                row.get("champion"),
                row.get("verdict"),
                "; ".join(plain(reason) for reason in _listed(row.get("reasons"))),
            ]
            for row in rows
        ],
    )


def _canaries(answer: Document, model: object) -> list[Document]:
    """What of the routes is answered by a version of the model that is still to prove itself."""
    found = []
    for name, route in (optional(answer, "routes", dict) or {}).items():
        canary = optional(route, "canary", dict) if isinstance(route, dict) else None
        if canary is not None and route.get("model") == model:
            found.append({"route": name, "version": canary.get("version"), "share": canary.get("share")})
    return found


def _version_row(version: Document, canaries: list[Document]) -> list[object]:
    shares = [each for each in canaries if each["version"] == version.get("version")]
    told = [
        plain(version.get("state")),
        *(f"{_percent(each['share'])} of {plain(each['route'])}" for each in shares),
    ]
    return [
        version.get("version"),
        version.get("name"),
        ", ".join(filter(None, told)),
        ", ".join(plain(alias) for alias in _listed(version.get("aliases"))),
        version.get("method"),
        version.get("base_version"),
        plain(version.get("dataset_digest"), 12),
        version.get("size_bytes"),
        moment(version.get("created_at")),
        version.get("uri"),
    ]


def _model_row(model: Document) -> list[object]:
    versions = [v for v in optional(model, "versions", list) or [] if isinstance(v, dict)]
    aliases = [
        f"{plain(alias)} → {plain(v.get('name')) or plain(v.get('version'))}"
        for v in versions
        for alias in _listed(v.get("aliases"))
    ]
    return [model.get("name"), len(versions), ", ".join(aliases)]


def _detail(detail: Document) -> str:
    """On one line; of a whole route only which model answers, --json has the rest."""
    return ", ".join(f"{plain(key, 40)} {_told(value)}" for key, value in detail.items())


def _told(value: object) -> str:
    if isinstance(value, dict):
        return plain(value.get("model") or json.dumps(value, ensure_ascii=False), 100)
    if isinstance(value, list):
        return plain("; ".join(plain(item) for item in value), 100)
    return plain(value, 100) or "none"


def _percent(share: object) -> str:
    return f"{share:.0%}" if isinstance(share, int | float) else plain(share)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []
