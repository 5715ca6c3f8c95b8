"""`hone feedback`."""

from __future__ import annotations

import uuid

import click

from hone.cli.answers import Document, documents, optional
from hone.cli.api import Api, path_to
from hone.cli.errors import WrongInput
from hone.cli.files import read_text
from hone.cli.output import json_option, moment, plain, print_json, print_table, say


@click.command()
@click.argument("artifact_id")
@click.option("--up", "thumb", flag_value="up", help="It is right.")
@click.option("--down", "thumb", flag_value="down", help="It is not.")
@click.option("--score", type=click.IntRange(0, 100), help="What it is worth, more exactly than a thumb.")
@click.option("--correction", metavar="FILE", help="The artifact as it should have been; - reads stdin.")
@click.option("--comment", metavar="TEXT", help="What is right or wrong with it.")
@click.option("--user", metavar="NAME", help="Who says it, where several people share a key.")
@click.option("--list", "listing", is_flag=True, help="Show what was said of it.")
@json_option
def feedback(
    *,
    artifact_id: str,
    thumb: str | None,
    score: int | None,
    correction: str | None,
    comment: str | None,
    user: str | None,
    listing: bool,
    as_json: bool,
) -> None:
    """Say what an artifact is worth: Hone learns from it. Your last word on it counts."""
    said: Document = {"thumb": thumb, "score": score, "correction": correction, "comment": comment}
    said = {name: value for name, value in said.items() if value is not None}
    if listing and (said or user):
        raise WrongInput("--list shows what was said, and says nothing; leave out the other options")
    if not (listing or said):
        raise WrongInput("say something: --up, --down, --score N, --correction FILE or --comment TEXT")
    api, path = Api(), path_to("artifacts", artifact_id, "feedback")
    if listing:
        _list(api.get(path), as_json)
        return
    if correction is not None:
        said["correction"] = read_text(correction)
    if user is not None:
        said["user"] = user
    kept = api.post_once(path, said, str(uuid.uuid4()))
    if as_json:
        print_json(kept)
    else:
        _tell(kept)


def _tell(kept: Document) -> None:
    """What became of it. The reward is data; the rest is for the person."""
    click.echo(f"{plain(kept.get('id'))}  reward {_signed(kept.get('reward'))}")
    corrected = optional(kept, "correction", dict)
    if corrected is not None:
        say(f"the correction scores {plain(corrected.get('score'))} of 100, and changes {_share(corrected)}")
    if kept.get("supersedes"):
        say(f"it takes the place of what {plain(kept.get('user'))} said before")
    why = plain(kept.get("not_learned"))
    say(f"kept, but no example: {why}" if why else "kept as an example to learn from")


def _list(answer: Document, as_json: bool) -> None:
    rows = documents(answer, "feedback")
    if as_json:
        print_json(answer)
        return
    print_table(
        ["created_at", "user", "said", "reward", "counts", "comment"],
        [
            [
                moment(row.get("created_at")),
                row.get("user"),
                _said(row),
                _signed(row.get("reward")),
                "no" if row.get("superseded_by") else "yes",
                row.get("comment"),
            ]
            for row in rows
        ],
    )


def _said(row: Document) -> str:
    corrected = optional(row, "correction", dict)
    told = [
        plain(row.get("thumb")),
        f"score {plain(row['score'])}" if row.get("score") is not None else "",
        f"correction ({plain(corrected.get('score'))})" if corrected is not None else "",
    ]
    return ", ".join(filter(None, told)) or "comment"


def _share(correction: Document) -> str:
    distance = correction.get("distance")
    return f"{distance:.0%} of the answer" if isinstance(distance, int | float) else "some of the answer"


def _signed(value: object) -> str:
    return f"{value:+.2f}" if isinstance(value, int | float) else plain(value)
