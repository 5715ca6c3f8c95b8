"""`hone generate`."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import click

from hone.cli.answers import Document, field, optional
from hone.cli.api import Api, path_to
from hone.cli.attempts import attempt_lines
from hone.cli.durations import Duration
from hone.cli.errors import WrongInput
from hone.cli.files import read_text, write_text
from hone.cli.follow import follow_on_terminal
from hone.cli.output import json_option, plain, print_content, print_json, say

_SUFFIXES = {
    "openapi": ".yaml",
    "sql_ddl": ".sql",
    "json_schema": ".schema.json",
    "user_stories": ".md",
    "python_code": ".py",
} | {f"mermaid_{name}": ".mmd" for name in ("erd", "class", "sequence", "flowchart", "state")}
_MOST_MESSAGES, _LONGEST_MESSAGE = 8, 200


@click.command()
@click.option("--type", "-t", "artifact_type", required=True, help="Artifact type, such as mermaid_erd.")
@click.option("-r", "--requirements", "text", help="The requirements themselves; - reads stdin.")
@click.option("-f", "--file", "file", help="A file with the requirements; - reads stdin.")
@click.option("--context", help="Name of a context to use.")
@click.option("--context-file", help="A file with the project's own words and names; - reads stdin.")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="What the type leaves open, such as dialect=sqlite; may be repeated.",
)
@click.option("--model", help="Model reference, such as ollama:qwen2.5-coder:7b; default: as the route says.")
@click.option("--deadline", "deadline_s", type=Duration(), help="Give the best answer within this: 90s, 10m.")
@click.option(
    "--max-tokens", type=click.IntRange(min=1), help="Of prompts and answers, all attempts together."
)
@click.option(
    "--max-cost", "max_cost_usd", type=click.FloatRange(min=0), help="US dollars that cloud models may cost."
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    help="Write the artifact to this file, or into this folder under its type's name.",
)
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
    context_file: str | None,
    options: tuple[str, ...],
    model: str | None,
    deadline_s: float | None,
    max_tokens: int | None,
    max_cost_usd: float | None,
    out: Path | None,
    timeout_s: float | None,
    as_json: bool,
) -> None:
    """Turn requirements into an artifact: the content on stdout, its score and the reasons on stderr."""
    if (text is None) == (file is None):
        raise WrongInput("give the requirements with -r TEXT or -f FILE (- reads stdin)")
    source = "-" if text == "-" else file
    if source == context_file == "-":
        raise WrongInput("stdin cannot be both the requirements and the context; name a file for one")
    body: Document = {
        "type": artifact_type,
        "requirements": text if source is None else read_text(source),
        "model": model,
        "context": context,
        "context_text": None if context_file is None else read_text(context_file),
        "options": dict(map(option_of, options)) or None,
        "budget": _given(deadline_s=deadline_s, max_tokens=max_tokens, max_cost_usd=max_cost_usd) or None,
    }
    api = Api()
    accepted = api.post_once("/api/artifacts", _given(**body), str(uuid.uuid4()))
    job = follow_on_terminal(api, field(accepted, "job_id", str), timeout_s)
    artifact_id = field(field(job, "result", dict), "artifact_id", str)
    show(api.get(path_to("artifacts", artifact_id)), out, as_json)


def _given(**values: Any) -> Document:
    """What the user said something of; the server knows the rest."""
    return {name: value for name, value in values.items() if value is not None}


def option_of(text: str) -> tuple[str, str]:
    """KEY=VALUE in its parts. Raises `WrongInput`."""
    key, equals, value = text.partition("=")
    if not (equals and key):
        raise WrongInput(f"--option wants KEY=VALUE, as in dialect=sqlite, not {plain(text, 40)}")
    return key, value


def show(artifact: Document, out: Path | None, as_json: bool) -> None:
    content = field(artifact, "content", str)
    if out is not None:
        out = _file_in(out, artifact)
        write_text(out, content, "the artifact is stored, see `hone jobs ls`")
    if as_json:
        print_json(artifact)
        return
    if out is None:
        print_content(content)
    for line in reasons(artifact):
        say(line)
    if out is not None:
        say(f"written to {out}")
    if artifact_id := plain(artifact.get("artifact_id")):
        say(f"right or wrong? `hone feedback {artifact_id} --up`, or --correction FILE: Hone learns from it")


def reasons(report: Document) -> list[str]:
    """Score, verdict and what each validator says; for an artifact or the report of `hone validate`."""
    score = report.get("score")
    shown = f"{score:g}" if isinstance(score, int | float) else "none"
    lines = [f"score {shown} of 100, {'accepted' if report.get('accepted') else 'not accepted'}"]
    validators = [each for each in optional(report, "validators", list) or [] if isinstance(each, dict)]
    for validator in validators:
        lines += _said(validator)
    if len(optional(report, "attempts", list) or []) > 1:
        lines += attempt_lines(report)
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


def _file_in(out: Path, artifact: Document) -> Path:
    """``out``, or a file in it named after the type when it is a folder."""
    if not out.is_dir():
        return out
    name = plain(artifact.get("type"), 50)
    if not name.replace("_", "").isalnum():
        name = "artifact"
    return out / f"{name}{_SUFFIXES.get(name, '.txt')}"
