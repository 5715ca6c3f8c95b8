"""`hone generate`."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import click

from hone.cli.answers import Document, field, optional
from hone.cli.api import Api, path_to
from hone.cli.errors import WrongInput
from hone.cli.files import read_text
from hone.cli.follow import follow_on_terminal
from hone.cli.output import json_option, plain, print_content, print_json, say

_MOST_MESSAGES, _LONGEST_MESSAGE = 8, 200


@click.command()
@click.option("--type", "-t", "artifact_type", required=True, help="Artifact type, such as mermaid_erd.")
@click.option("-r", "--requirements", "text", help="The requirements themselves; - reads stdin.")
@click.option("-f", "--file", "file", help="A file with the requirements; - reads stdin.")
@click.option("--context", help="Name of a context to use.")
@click.option("--model", help="Model reference, such as ollama:qwen2.5-coder:7b; default: as the route says.")
@click.option("-o", "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the artifact here.")
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(min=0.1), help="Seconds to wait for the result."
)
@json_option
def generate(
    *,
    artifact_type: str,
    text: str | None,
    file: str | None,
    context: str | None,
    model: str | None,
    out: Path | None,
    timeout_s: float | None,
    as_json: bool,
) -> None:
    """Turn requirements into an artifact: the content on stdout, its score and the reasons on stderr."""
    if (text is None) == (file is None):
        raise WrongInput("give the requirements with -r TEXT or -f FILE (- reads stdin)")
    source = "-" if text == "-" else file
    body: Document = {
        "type": artifact_type,
        "requirements": text if source is None else read_text(source),
        "model": model,
        "context": context,
    }
    api = Api()
    accepted = api.post_once(
        "/api/artifacts", {k: v for k, v in body.items() if v is not None}, str(uuid.uuid4())
    )
    job = follow_on_terminal(api, field(accepted, "job_id", str), timeout_s)
    artifact_id = field(field(job, "result", dict), "artifact_id", str)
    show(api.get(path_to("artifacts", artifact_id)), out, as_json)


def show(artifact: Document, out: Path | None, as_json: bool) -> None:
    content = field(artifact, "content", str)
    if out is not None:
        _write(out, content)
    if as_json:
        print_json(artifact)
        return
    if out is None:
        print_content(content)
    for line in reasons(artifact):
        say(line)
    if out is not None:
        say(f"written to {out}")


def reasons(report: Document) -> list[str]:
    """Score, verdict and what each validator says; for an artifact or the report of `hone validate`."""
    score = report.get("score")
    shown = f"{score:g}" if isinstance(score, int | float) else "none"
    lines = [f"score {shown} of 100, {'accepted' if report.get('accepted') else 'not accepted'}"]
    validators = [each for each in optional(report, "validators", list) or [] if isinstance(each, dict)]
    for validator in validators:
        lines += _said(validator)
    lines += _bounded(_beyond(validators, optional(report, "reasons", list) or []), "  ")
    for label, key in (("model", "model"), ("artifact", "artifact_id")):
        if report.get(key):
            lines.append(f"{label} {plain(report[key])}")
    if advice := report.get("advice"):
        lines.append(plain(advice))
    return lines


def _said(validator: Document) -> list[str]:
    """A validator's verdict, and what it found: a line each, as many as one reads."""
    verdict = "passed" if validator.get("passed") else "failed"
    messages = optional(validator, "messages", list) or []
    first = f"  {plain(validator.get('name'))}: {verdict}, {plain(validator.get('score'))} of 100"
    return [first, *_bounded(messages, "    ")]


def _beyond(validators: list[Document], reasons: list[object]) -> list[object]:
    """The reasons that no validator gave: what of the model's answer could not be used."""
    names = tuple(f"{plain(validator.get('name'))} " for validator in validators)
    return [reason for reason in reasons if not plain(reason).startswith(names)]


def _bounded(messages: list[object], indent: str) -> list[str]:
    lines = [f"{indent}{plain(message, _LONGEST_MESSAGE)}" for message in messages[:_MOST_MESSAGES]]
    if len(messages) > _MOST_MESSAGES:
        lines.append(f"{indent}and {len(messages) - _MOST_MESSAGES} more: --json has them all")
    return lines


def _write(out: Path, content: str) -> None:
    fresh = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        fresh.write_text(content if content.endswith("\n") else content + "\n", "utf-8")
        fresh.replace(out)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise WrongInput(
            f"cannot write {out} ({error.strerror}); the artifact is stored, see `hone jobs ls`"
        ) from error
