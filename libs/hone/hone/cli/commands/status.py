"""`hone status`."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import click

from hone.cli.answers import Document, optional
from hone.cli.api import Api
from hone.cli.data_option import data_option, folder_of
from hone.cli.endpoint import find_endpoint
from hone.cli.errors import FAILED, UNAVAILABLE, CliError, Unavailable
from hone.cli.output import json_option, moment, plain, print_json, print_table
from hone.launcher.datafolder import DataFolder, RunState
from hone.launcher.health import services_of


@click.command()
@data_option
@json_option
def status(data: Path | None, as_json: bool) -> int:
    """What runs, and whether each service is ready.

    Exit code 0: all ready; 1: it runs, but not all is ready; 5: it does not run. With HONE_URL set, asks that
    gateway.
    """
    if os.environ.get("HONE_URL") and data is None:
        report = Api().get("/api/status")
        services = report.get("services")
        ready = isinstance(services, list) and all(isinstance(s, dict) and s.get("ready") for s in services)
        report = {"running": True, **report}
    else:
        folder = folder_of(data)
        state = folder.running_state()
        if state is None:
            return _not_running(folder, as_json)
        services = services_of(state)
        models = _add_gateways_view(folder, state, services)
        ready = all(service["ready"] for service in services)
        # The password in NATS's URL stays in run/hone.json: what this prints is pasted into reports.
        nats = {key: value for key, value in state.nats.items() if key != "url"}
        report = {"running": True, **asdict(state), "nats": nats, "services": services, **models}
    if as_json:
        print_json(report)
    else:
        _print_status(report)
    return 0 if ready else FAILED


def _not_running(folder: DataFolder, as_json: bool) -> int:
    if as_json:
        print_json({"running": False, "data": str(folder.root)})
        return UNAVAILABLE
    raise Unavailable(f"Hone does not run on {folder.root}; start it with `hone up`")


def _add_gateways_view(folder: DataFolder, state: RunState, services: list[Document]) -> Document:
    """What the gateway hears over the bus may differ from what a service says of itself. Gives the providers."""
    if not services or state.services.get("gateway", {}).get("state") != "ready":
        return {}
    try:
        report = Api(find_endpoint(folder)).get("/api/status")
    except CliError as error:
        services[0]["detail"] = services[0]["detail"] or f"GET /api/status: {error}"
        return {}
    told = report.get("services")
    details = (
        {s.get("name"): s.get("detail") for s in told if isinstance(s, dict)}
        if isinstance(told, list)
        else {}
    )
    for service in services:
        service["detail"] = service["detail"] or plain(details.get(service["name"]))
    return {key: report[key] for key in ("providers", "gpus") if key in report}


def _print_status(report: Document) -> None:
    for label, key in (("url", "url"), ("data", "data"), ("pid", "pid"), ("since", "started_at")):
        if report.get(key):
            click.echo(f"{label:8} {moment(report[key]) if key.endswith('_at') else plain(report[key])}")
    services = report.get("services")
    rows = [s for s in services if isinstance(s, dict)] if isinstance(services, list) else []
    told = [
        key for key in ("port", "pid", "restarts") if any(key in s for s in rows)
    ]  # a gateway far away tells none
    print_table(
        ["service", "ready", *told, "detail"],
        [
            [s.get("name"), "yes" if s.get("ready") else "no", *(s.get(key) for key in (*told, "detail"))]
            for s in rows
        ],
    )
    _print_providers(report)


def _print_providers(report: Document) -> None:
    providers = [each for each in optional(report, "providers", list) or [] if isinstance(each, dict)]
    if providers:
        click.echo()
        print_table(
            ["provider", "ready", "where", "loaded", "models", "detail"],
            [
                [
                    each.get("name"),
                    "yes" if each.get("ok") else "no",
                    "here" if each.get("local") else "cloud",
                    _loaded(each),
                    each.get("models_total") if each.get("local") else None,
                    each.get("detail"),
                ]
                for each in providers
            ],
        )
    gpus = [each for each in optional(report, "gpus", list) or [] if isinstance(each, dict)]
    for number, gpu in enumerate(gpus):
        click.echo(f"gpu {number}: {plain(gpu.get('name'), 80)}, {_memory(gpu)}")


def _loaded(provider: Document) -> str:
    models = [each for each in optional(provider, "models", list) or [] if isinstance(each, dict)]
    return ", ".join(plain(each.get("model"), 80) for each in models if each.get("loaded"))


def _memory(gpu: Document) -> str:
    used, total = gpu.get("used_bytes"), gpu.get("total_bytes")
    if not isinstance(used, int) or not isinstance(total, int):
        return "memory unknown"
    return f"{used / 2**30:.1f} of {total / 2**30:.1f} GiB in use"
