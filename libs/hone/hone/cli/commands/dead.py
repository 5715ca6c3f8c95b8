"""`hone dead`: the dead letters."""

from __future__ import annotations

import click

from hone.cli.answers import Document, documents, field, optional
from hone.cli.api import Api, path_to
from hone.cli.output import json_option, plain, print_json, print_table, say


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
    print_table(
        ["id", "job", "subject", "reason"],
        [
            [letter.get("id"), letter.get("job_id"), letter.get("subject"), _reason(letter)]
            for letter in letters
        ],
    )


@dead.command()
@click.argument("letter_id", metavar="ID")
@json_option
def retry(letter_id: str, as_json: bool) -> None:
    """Send a dead letter again."""
    answer = Api().post(path_to("dead", letter_id, "retry"))
    if as_json:
        print_json(answer)
    else:
        job_id = plain(field(answer, "job_id", str))
        say(f"dead letter {letter_id} was sent again as {job_id}; follow it with `hone jobs watch {job_id}`")


def _reason(letter: Document) -> str:
    reason = optional(letter, "reason", dict) or {}
    return ": ".join(filter(None, (plain(reason.get("title")), plain(reason.get("detail")))))
