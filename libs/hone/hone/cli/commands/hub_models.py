"""`hone hub search`, `inspect`, `add`, `ls` and `rm`: models, from a name to one that answers."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from pathlib import Path

import click

from hone.cli.answers import Document, documents, field, optional
from hone.cli.api import Api, path_to
from hone.cli.errors import WrongInput
from hone.cli.follow import follow_on_terminal
from hone.cli.output import json_option, moment, plain, print_json, print_table, say
from hone.cli.sizes import count, size

_DESTINATIONS: dict[str, list[str] | None] = {
    "auto": None, "ollama": ["ollama"], "llamacpp": ["llamacpp"], "both": ["ollama", "llamacpp"], "none": [],
}  # fmt: skip
_MOST_TEMPLATE_BYTES = 100_000
_REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?")
timeout_option = click.option(
    "--timeout", "timeout_s", type=click.FloatRange(min=0.1), help="Seconds to wait for the result."
)


@click.command()
@click.argument("query", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1, 100), default=20, show_default=True)
@json_option
def search(query: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Models on Hugging Face by words of their names, and whether they can be used here."""
    answer = Api().get("/api/huggingface/search", query=" ".join(query), limit=limit)
    models = documents(answer, "models")
    if as_json:
        print_json(answer)
        return
    print_table(
        ["id", "downloads", "likes", "updated", "licence", "size", "verdict", "reason"],
        [
            [
                model.get("id"),
                count(model.get("downloads")),
                count(model.get("likes")),
                moment(model.get("updated_at"))[:10],
                _licence(model),
                count(model.get("parameters")),
                model.get("verdict"),
                model.get("reason"),
            ]
            for model in models
        ],
    )
    if not models:
        say("nothing has such a name; try fewer words")


@click.command()
@click.argument("repository", metavar="REPO")
@click.option("--revision", help="Branch, tag or commit.")
@click.option("--context", type=click.IntRange(1), help="Tokens that the memory is predicted for.")
@click.option("--quant", default="auto", show_default=True, help="Choose this one, such as Q8_0.")
@json_option
def inspect(repository: str, revision: str | None, context: int | None, quant: str, as_json: bool) -> None:
    """What a repository holds, what memory each file takes, and which would be chosen; downloads no weights."""
    if not _REPOSITORY.fullmatch(repository):
        raise WrongInput(f"{plain(repository, 200)} is no repository: write owner/name, without an address")
    path = path_to("huggingface", "models", *repository.split("/"))
    report = Api().get(path, revision=revision, context=context, quant=quant)
    if as_json:
        print_json(report)
        return
    for line in _report_lines(report):
        click.echo(line)


@click.command()
@click.argument("source")
@click.option(
    "--quant", default="auto", show_default=True, help="Quantization, such as Q4_K_M; auto: what fits."
)
@click.option("--name", help="What it is called here; default: the repository's name and the quantization.")
@click.option("--revision", help="Branch, tag or commit of the repository.")
@click.option("--context", type=click.IntRange(1), help="Tokens of context that it is served with.")
@click.option(
    "--to",
    "destination",
    type=click.Choice(list(_DESTINATIONS)),
    default="auto",
    show_default=True,
    help="Who serves it; auto: Ollama where one answers, else the embedded engine; none: only download.",
)
@click.option(
    "--template",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A chat template in Go's language, for Ollama; default: made of the model's own.",
)
@click.option("--replace", is_flag=True, help="Take the place of another model of this name.")
@click.option("--force", is_flag=True, help="Go on although it is predicted not to fit.")
@timeout_option
@json_option
def add(
    source: str,
    *,
    quant: str,
    name: str | None,
    revision: str | None,
    context: int | None,
    destination: str,
    template: Path | None,
    replace: bool,
    force: bool,
    timeout_s: float | None,
    as_json: bool,
) -> None:
    """Bring a model here, serve it, and prove that it answers.

    SOURCE is owner/name on Hugging Face, ollama:NAME of Ollama's library, a .gguf file, or a folder of safetensors.
    """
    given = {"revision": revision, "name": name, "context_tokens": context, "template": _template(template)}
    body: Document = {
        "source": _source(source),
        "quant": quant,
        "replace": replace,
        "force": force,
        **{key: value for key, value in given.items() if value is not None},
    }
    if _DESTINATIONS[destination] is not None:
        body["destinations"] = _DESTINATIONS[destination]
    api = Api()
    accepted = api.post_once("/api/hub/models", body, str(uuid.uuid4()))
    job = follow_on_terminal(api, field(accepted, "job_id", str), timeout_s)
    if as_json:
        print_json(job)
        return
    model = optional(job, "result", dict) or {}
    for line in _added_lines(model):
        click.echo(line)
    for line in _next_lines(model):
        say(line)


@click.command("ls")
@json_option
def list_models(as_json: bool) -> None:
    """The models that were added."""
    answer = Api().get("/api/hub/models")
    models = documents(answer, "models")
    if as_json:
        print_json(answer)
        return
    print_table(
        ["name", "quant", "size", "memory", "added", "source", "references"],
        [
            [
                model.get("name"),
                model.get("quant"),
                size(model.get("size_bytes")),
                size((optional(model, "memory", dict) or {}).get("total_bytes")),
                moment(model.get("added_at"))[:10],
                (optional(model, "source", dict) or {}).get("repository"),
                _references(model) or "downloaded only",
            ]
            for model in models
        ],
    )


@click.command("rm")
@click.argument("name")
@timeout_option
@json_option
def remove(name: str, timeout_s: float | None, as_json: bool) -> None:
    """Remove a model from who serves it, from disk and from the registry. Refused while a route uses it."""
    api = Api()
    accepted = api.delete(path_to("hub", "models", name))
    job = follow_on_terminal(api, field(accepted, "job_id", str), timeout_s)
    if as_json:
        print_json(job)
        return
    result = optional(job, "result", dict) or {}
    click.echo(f"{plain(result.get('name'))}: removed, {size(result.get('freed_bytes')) or '0 B'} freed")


def _source(text: str) -> str:
    """A path of this machine, if there is something there; `./x` is always one."""
    if not text.strip():
        raise WrongInput("name a model: owner/name, ollama:NAME, a .gguf file or a folder")
    looks_like_path = text.startswith(("/", "./", "../", "~")) or text.lower().endswith(".gguf")
    try:
        found = Path(text).expanduser().absolute()
        is_there = found.exists()
    except (OSError, RuntimeError, ValueError):  # longer than a path may be; a home of nobody
        is_there = False
    if is_there:
        return str(found)
    if looks_like_path:
        raise WrongInput(f"there is no file or folder {plain(text, 200)}")
    return text


def _template(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        content = path.read_bytes()
        text = content.decode()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongInput(f"{plain(path, 200)} cannot be read: {plain(error, 100)}") from error
    if not text.strip() or len(content) > _MOST_TEMPLATE_BYTES:
        raise WrongInput(f"{plain(path, 200)} is empty, or larger than {_MOST_TEMPLATE_BYTES} bytes")
    return text


def _licence(model: Document) -> str:
    parts = [plain(model.get("licence"), 40), "gated" if model.get("gated") else ""]
    return ", ".join(filter(None, (*parts, "private" if model.get("private") else "")))


def _references(model: Document) -> str:
    found = model.get("references")
    return ", ".join(plain(each) for each in found) if isinstance(found, list) else ""


def _report_lines(report: Document) -> Iterator[str]:
    shape = [
        f"{report[key]} {words}"
        for key, words in (("layers", "layers"), ("heads", "heads"), ("kv_heads", "key-value heads"))
        if isinstance(report.get(key), int)
    ]
    rows = {
        "repository": f"{plain(report.get('id'))} at {plain(report.get('revision'))[:12]}",
        "verdict": f"{plain(report.get('verdict'))}: {plain(report.get('reason'))}",
        "licence": _licence(report),
        "architecture": plain(report.get("architecture")),
        "parameters": count(report.get("parameters")),
        "shape": ", ".join(shape),
        "context": f"{report.get('context_length')} tokens" if report.get("context_length") else "",
        "template": "in the file" if report.get("chat_template") else "",
        "memory": ", ".join(
            f"{plain(place.get('name'))} {size(place.get('free_bytes'))} free of {size(place.get('total_bytes'))}"
            for place in _all(report, "places")
        ),
    }
    yield from (f"{name:13} {value}" for name, value in rows.items() if value)
    groups = _all(report, "groups")
    if groups:
        yield ""
        yield from _group_lines(groups, report.get("chosen"))
    for key, words in (("projectors", "for images"), ("matrices", "importance matrices")):
        if found := _all(report, key):
            yield f"{words}: {', '.join(plain(file.get('path'), 80) for file in found[:5])}"
    reasons, warnings = report.get("reasons"), report.get("warnings")
    yield from (f"- {plain(reason)}" for reason in (reasons if isinstance(reasons, list) else []))
    yield from (f"warning: {plain(warning)}" for warning in (warnings if isinstance(warnings, list) else []))


def _group_lines(groups: list[Document], chosen: object) -> Iterator[str]:
    yield f"  {'quant':16}{'files':>6}{'size':>11}{'in memory':>11}  fits into"
    for number, group in enumerate(groups):
        memory = optional(group, "memory", dict) or {}
        where = plain(group.get("problem")) or plain(group.get("fits")) or "nothing"
        mark = "*" if number == chosen else " "
        yield (
            f"{mark} {plain(group.get('quant'), 15):16}{len(_all(group, 'files')):>6}"
            f"{size(group.get('size_bytes')):>11}{size(memory.get('total_bytes')):>11}  {where}"
        )


def _all(document: Document, key: str) -> list[Document]:
    found = document.get(key)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _added_lines(model: Document) -> Iterator[str]:
    source = optional(model, "source", dict) or {}
    rows = {
        "name": plain(model.get("name")),
        "served as": _references(model),
        "source": plain(source.get("repository")),
        "licence": plain(model.get("licence")),
        "quant": plain(model.get("quant")),
        "size": size(model.get("size_bytes")),
        "memory": size((optional(model, "memory", dict) or {}).get("total_bytes")),
        "sha256": plain(model.get("sha256")),
    }
    yield from (f"{name:10} {value}" for name, value in rows.items() if value)
    warnings = model.get("warnings")
    yield from (f"warning: {plain(each)}" for each in (warnings if isinstance(warnings, list) else []))


def _next_lines(model: Document) -> Iterator[str]:
    found = model.get("references")
    if not isinstance(found, list) or not found:
        return
    name = plain(found[0])
    yield f"Ask it:      hone generate --type mermaid_erd -f FILE --model {name}"
    yield f"Route to it: a file with `default: {{model: '{name}'}}`, then hone routes apply FILE"
