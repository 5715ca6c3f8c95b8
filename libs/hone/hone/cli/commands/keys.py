"""`hone keys`."""

from __future__ import annotations

import uuid

import click

from hone.cli.answers import documents, field
from hone.cli.api import Api, path_to
from hone.cli.errors import Failed
from hone.cli.output import json_option, moment, plain, print_json, print_table, say


@click.group()
def keys() -> None:
    """API keys: who may ask this Hone."""


@keys.command()
@click.argument("name")
@json_option
def create(name: str, as_json: bool) -> None:
    """Make a key for NAME and print it. It is shown this once."""
    answer = Api().post_once("/api/keys", {"name": name}, str(uuid.uuid4()))
    if "key" not in answer:  # it was made, its answer was lost, and this one is of the repetition
        told = f"the key was made, and its answer lost; `hone keys revoke {plain(name)}`, then make it again"
        raise Failed(told)
    key = field(answer, "key", str)
    if as_json:
        print_json(answer)
        return
    click.echo(plain(key))
    say(
        f"this is the only time it is shown; use it as HONE_API_KEY, end it with `hone keys revoke {plain(name)}`"
    )


@keys.command()
@json_option
def ls(as_json: bool) -> None:
    """Every key by its name and how it begins."""
    answer = Api().get("/api/keys")
    found = documents(answer, "keys")
    if as_json:
        print_json(answer)
        return
    print_table(
        ["name", "begins", "created_at", "revoked_at"],
        [
            [key.get("name"), key.get("begins"), moment(key.get("created_at")), _when(key.get("revoked_at"))]
            for key in found
        ],
    )


@keys.command()
@click.argument("name")
@json_option
def revoke(name: str, as_json: bool) -> None:
    """End the key of NAME."""
    answer = Api().delete(path_to("keys", name))
    if as_json:
        print_json(answer)
    else:
        say(f"the key of {plain(name)} is revoked; within seconds no gateway takes it")


def _when(time: object) -> str:
    return "" if time is None else moment(time)
