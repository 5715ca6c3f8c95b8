"""`hone routes`."""

from __future__ import annotations

import click

from hone.cli.answers import Document, documents, field, optional
from hone.cli.api import Api
from hone.cli.errors import Failed, Refused
from hone.cli.files import read_text
from hone.cli.output import json_option, plain, print_json, print_table, say

_COLUMNS = ["type", "model", "reading", "fallbacks", "threshold", "cloud", "set by"]
_RESOLVED = ("artifact_type", "model_uri", "model_sha256", "version")


@click.group()
def routes() -> None:
    """Which models answer for which artifact type."""


@routes.command()
@click.argument("artifact_type", metavar="[TYPE]", required=False)
@json_option
def show(artifact_type: str | None, as_json: bool) -> None:
    """The routing table, or the route of one type. `default` is the route of every type without one."""
    answer = Api().get("/api/routes")
    table = field(answer, "routes", dict)
    if artifact_type is not None:
        if artifact_type not in table:
            known = ", ".join(plain(name) for name in table) or "none"
            raise Refused(404, f"no route for {artifact_type}; there are: {known}")
        table = {artifact_type: table[artifact_type]}
        answer = {**answer, "routes": table}
    if as_json:
        print_json(answer)
        return
    set_by = optional(answer, "set_by", dict) or {}
    rows = [
        [name, *_cells(route), set_by.get(name)] for name, route in table.items() if isinstance(route, dict)
    ]
    print_table(_COLUMNS, rows)


@routes.command()
@click.argument("file")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@json_option
def apply(file: str, dry_run: bool, as_json: bool) -> None:
    """Make the table what FILE (YAML or JSON; - reads stdin) says; docs/routes.md has the keys.

    All of it or nothing: with a fault anywhere, each fault is told with its line, and the routes stay.
    """
    text = read_text(file)
    media_type = "application/json" if file.endswith(".json") else "application/yaml"
    try:
        answer = Api().put_text("/api/routes", text, media_type, dry_run="true" if dry_run else None)
    except Refused as error:
        raise _not_applied(file, error, as_json) from error
    changes = documents(answer, "changes")
    if as_json:
        print_json(answer)
        return
    for change in changes:
        click.echo(_change(change))
    if not changes:
        say("nothing changes: the routes are as the file says")
    elif dry_run:
        say("nothing was changed; without --dry-run it is")


def _not_applied(file: str, error: Refused, as_json: bool) -> Exception:
    """The faults, a line each as compilers write them; whatever else was refused, as it is."""
    faults = [each for each in optional(error.problem, "faults", list) or [] if isinstance(each, dict)]
    if not faults:
        return error
    name = "stdin" if file == "-" else file
    if as_json:
        print_json({"faults": faults})
    for fault in faults:
        key = plain(fault.get("key"))
        say(f"{name}:{plain(fault.get('line'), 10)}: {key + ': ' if key else ''}{plain(fault.get('reason'))}")
    counted = "one fault" if len(faults) == 1 else f"{len(faults)} faults"
    return Failed(f"{name} is not applied, it has {counted}; the routes are as they were")


def _change(change: Document) -> str:
    name = plain(change.get("artifact_type"))
    before, after = optional(change, "before", dict), optional(change, "after", dict)
    if before is None:
        return f"{name}: new, {plain((after or {}).get('model'))}"
    if after is None:
        return f"{name}: removed, was {plain(before.get('model'))}"
    was, now = _flat(before), _flat(after)
    keys = [key for key in now if key not in _RESOLVED and was.get(key) != now[key]]
    told = [
        f"{plain(key)} {plain(was.get(key), 200) or 'none'} → {plain(now[key], 200) or 'none'}"
        for key in keys
    ]
    return f"{name}: {', '.join(told) or 'a new version of a model'}"


def _flat(route: Document) -> dict[str, str]:
    """The settings, those of limits and budget beside the others, each as a person reads it."""
    flat: dict[str, str] = {}
    for key, value in route.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{part}": plain(each) for part, each in value.items()}
        else:
            flat[key] = _listed(value) if isinstance(value, list) else plain(value)
    return flat


def _cells(route: Document) -> list[object]:
    model = plain(route.get("model"))
    cloud = _listed(route.get("cloud_models")) if route.get("cloud") else "no"
    return [
        model if route.get("enabled", True) else f"off ({model})",
        route.get("reading"),
        _listed(route.get("fallbacks")),
        route.get("threshold"),
        cloud,
    ]


def _listed(value: object) -> str:
    values = value if isinstance(value, list) else []
    return ", ".join(plain(each.get("model") if isinstance(each, dict) else each) for each in values)
