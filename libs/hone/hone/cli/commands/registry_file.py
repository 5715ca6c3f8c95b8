"""`hone models export` and `import`: the registry as a file for Git."""

from __future__ import annotations

from pathlib import Path

import click

from hone.cli.answers import field
from hone.cli.api import Api
from hone.cli.files import read_text, write_text
from hone.cli.output import json_option, plain, print_content, print_json, say


@click.command()
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Write it to this file.")
def export(out: Path | None) -> None:
    """Models, versions with lineage, aliases, evaluations and routes as YAML."""
    text = Api().get_text("/api/registry")
    if out is None:
        print_content(text)
        return
    write_text(out, text)
    say(f"written to {out}")


@click.command("import")
@click.argument("file")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
@json_option
def import_(file: str, dry_run: bool, as_json: bool) -> None:
    """Make the registry what FILE (- reads stdin) says. All of it or nothing; no version is removed."""
    text = read_text(file)
    answer = Api().put_text("/api/registry", text, "application/yaml", dry_run="true" if dry_run else None)
    changes = field(answer, "changes", list)
    if as_json:
        print_json(answer)
        return
    for change in changes:
        click.echo(plain(change))
    if not changes:
        say("nothing changes: the registry is as the file says")
    elif dry_run:
        say("nothing was changed; without --dry-run it is")
