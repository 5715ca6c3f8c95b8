"""`hone dead`: the dead letters."""

from __future__ import annotations

import click

from hone.cli.answers import documents
from hone.cli.api import Api, path_to
from hone.cli.output import json_option, print_json, print_table, say


@click.group()
def dead() -> None:
    """Messages that nobody could process."""


@dead.command()
@json_option
def ls(as_json: bool) -> None:
    """The dead letters, with why they died."""
    answer = Api().get("/api/dead")
    letters = documents(answer, "dead")
    if as_json:
        print_json(answer)
        return
    keys = list(
        dict.fromkeys(
            key for letter in letters for key, value in letter.items() if not isinstance(value, dict)
        )
    )
    print_table(keys or ["id"], [[letter.get(key) for key in keys] for letter in letters])


@dead.command()
@click.argument("letter_id", metavar="ID")
@json_option
def retry(letter_id: str, as_json: bool) -> None:
    """Send a dead letter again."""
    answer = Api().post(path_to("dead", letter_id, "retry"))
    if as_json:
        print_json(answer)
    else:
        say(f"{letter_id} was sent again")
