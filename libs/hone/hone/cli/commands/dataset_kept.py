"""`hone dataset pool`, `ls`, `show`, `build` and `import`: what the trainer keeps, asked of a running Hone."""

from __future__ import annotations

import uuid
from pathlib import Path

import click

from hone.cli.answers import Document, documents, field, optional
from hone.cli.api import Api, path_to
from hone.cli.files import read_text
from hone.cli.output import json_option, moment, plain, print_json, print_table, say

_LONGEST_TEXT_BYTES = 400_000  # what fits into a request as JSON; larger files go by their URI
_type_option = click.option("--type", "-t", "artifact_type", help="Only of this artifact type.")
_needed_type = click.option(
    "--type", "-t", "artifact_type", required=True, help="Artifact type, such as mermaid_erd."
)


@click.command()
@_type_option
@json_option
def pool(artifact_type: str | None, as_json: bool) -> None:
    """How many examples there are of each type, and what the next run waits for."""
    answer = Api().get("/api/pool", type=artifact_type)
    rows = documents(answer, "types")
    if as_json:
        print_json(answer)
        return
    print_table(
        ["type", "good", "new", "of", "corrected", "waiting", "running", "holds"],
        [
            [
                row.get("artifact_type"),
                row.get("good"),
                row.get("new"),
                row.get("needed"),
                row.get("corrected"),
                _counted(optional(row, "waiting", dict) or {}),
                row.get("running"),
                "; ".join(map(plain, optional(row, "holds", list) or [])),
            ]
            for row in rows
        ],
    )


@click.command()
@_type_option
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True)
@json_option
def ls(artifact_type: str | None, limit: int, as_json: bool) -> None:
    """Datasets, newest first."""
    answer = Api().get("/api/datasets", type=artifact_type, limit=limit)
    rows = documents(answer, "datasets")
    if as_json:
        print_json(answer)
        return
    print_table(
        ["id", "type", "train", "held_out", "replayed", "sources", "created_at", "run"],
        [[*_summary(field(row, "summary", dict)), moment(row.get("created_at")), row.get("run_id")] for row in rows],
    )  # fmt: skip


@click.command()
@click.argument("dataset_id", metavar="ID")
@click.option("--offset", type=click.IntRange(0), default=0)
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True, help="Rows shown.")
@json_option
def show(dataset_id: str, offset: int, limit: int, as_json: bool) -> None:
    """A dataset (the beginning of its digest is enough), and where each example came from."""
    shown = Api().get(path_to("datasets", dataset_id), offset=offset, limit=limit)
    rows = documents(shown, "rows")
    if as_json:
        print_json(shown)
        return
    stored = field(shown, "dataset", dict)
    summary = field(stored, "summary", dict)
    for name in ("digest", "artifact_type", "train", "held_out", "replayed", "train_uri", "held_out_uri"):
        click.echo(f"{name:13} {plain(summary.get(name))}".rstrip())
    click.echo(f"{'sources':13} {_counted(optional(summary, 'sources', dict) or {})}")
    click.echo(f"{'run':13} {plain(stored.get('run_id')) or 'by hand'}\n")
    columns = ("example", "split", "source", "origin", "artifact_id", "score", "weight")
    print_table(columns, [[row.get(name) for name in columns] for row in rows])
    total = shown.get("rows_total")
    if isinstance(total, int) and offset + len(rows) < total:
        say(f"and {total - offset - len(rows)} more: --offset {offset + len(rows)}")


@click.command()
@_needed_type
@json_option
def build(artifact_type: str, as_json: bool) -> None:
    """Build a dataset of all good examples of a type, without training."""
    built = Api().post_once("/api/datasets/build", {"type": artifact_type}, str(uuid.uuid4()))
    if as_json:
        print_json(built)
        return
    click.echo(field(built, "digest", str))
    say(f"{plain(built.get('train'))} examples to train on, {plain(built.get('held_out'))} held out")
    say(
        f"train on it with `hone train --type {artifact_type} --method M --dataset {plain(built['digest'], 12)}`"
    )


@click.command("import")
@click.argument("file")
@_needed_type
@json_option
def import_(file: str, artifact_type: str, as_json: bool) -> None:
    """Take the examples of FILE (any dataset format; a path, a URI, - for stdin) into the pool."""
    body: Document = {"type": artifact_type, "name": "stdin" if file == "-" else Path(file).name[:200]}
    answer = Api().post_once("/api/datasets/import", body | _source(file), str(uuid.uuid4()))
    if as_json:
        print_json(answer)
        return
    names = ["good", "known", "waiting", *(["against"] if answer.get("against") else [])]
    told = ", ".join(f"{plain(answer.get(name))} {name}" for name in names)
    click.echo(f"{plain(answer.get('rows'))} rows of {plain(answer.get('format'))}: {told}")
    refused = [row for row in optional(answer, "refused", list) or [] if isinstance(row, dict)]
    for row in refused:
        say(f"  row {plain(row.get('row'))}: {plain(row.get('reason'))}")
    total = answer.get("refused_total")
    if isinstance(total, int) and total > len(refused):
        say(f"  and {total - len(refused)} more were refused")


def _source(file: str) -> Document:
    if "://" in file:
        return {"uri": file}
    text = read_text(file)
    if file != "-" and len(text.encode()) > _LONGEST_TEXT_BYTES:
        uri = Path(file).absolute().as_uri()
        say(f"{file} is long: the trainer reads it itself, at {uri}")
        return {"uri": uri}
    return {"text": text}


def _summary(summary: Document) -> list[object]:
    return [
        plain(summary.get("digest"), 12),
        summary.get("artifact_type"),
        summary.get("train"),
        summary.get("held_out"),
        summary.get("replayed"),
        _counted(optional(summary, "sources", dict) or {}),
    ]


def _counted(counts: Document) -> str:
    return ", ".join(f"{plain(count)} {plain(name, 40)}" for name, count in counts.items())


COMMANDS = (pool, ls, show, build, import_)
