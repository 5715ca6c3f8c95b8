"""One look at a GGUF: header, sense, template, memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import FileUnreadable
from .chat_template import render_conversations, try_template
from .checks import find_problems
from .format import FILE_TYPES
from .header import Header
from .hyperparameters import Hyperparameters
from .memory import estimate
from .reader import read_file
from .report import GGUFReport, Problem, SpecialToken, TemplateReport, TokenizerReport
from .shards import read_shards


def inspect(
    path: Path,
    *,
    others: Sequence[Path] = (),
    context: int | None = None,
    parallel: int = 1,
    digest: bool = False,
    render: bool = True,
) -> GGUFReport:
    """Reads `path` as a hostile file. `context` in tokens for the memory estimate (default: at most 4096).

    `others` are the further files of a model in several, in order: the report is of all together, but for the digest.
    `digest` also reads the whole file for its SHA-256; `render` tries the chat template, never in this process.
    Raises GGUFError, FileMissing or FileUnreadable; a file that can be read and makes no sense has problems.
    """
    header = read_shards([path, *others]) if others else read_file(path)
    numbers = Hyperparameters.read(header)
    tokenizer = _tokenizer(header)
    template = _template(header, tokenizer, render)
    problems = find_problems(header, numbers)
    if template is not None and template.renders is False:
        problems.append(
            Problem(severity="warning", message=f"the chat template does not render: {template.error}")
        )
    sound = not any(problem.severity == "error" for problem in problems)
    return GGUFReport(
        path=path,
        sha256=_sha256(path) if digest else None,
        tokenizer=tokenizer,
        chat_template=template,
        memory=estimate(header, numbers, context, parallel) if sound else None,
        problems=problems,
        **_file_facts(header),
        **_model_facts(numbers),
    )


def rendered(
    path: Path, conversations: Iterable[Sequence[Mapping[str, str]]], *, as_engine: bool = False
) -> list[str | None]:
    """What the file's chat template makes of each conversation, with room for an answer; None where it refuses.
    ``as_engine``: of what llama.cpp gives it.

    Raises GGUFError, FileMissing or FileUnreadable.
    """
    header = read_file(path)
    template, tokenizer = header.text("tokenizer.chat_template"), _tokenizer(header)
    if template is None:
        return [None for _ in conversations]
    bos, eos = _ends(tokenizer)
    answers = render_conversations(template, conversations, bos, eos, as_engine=as_engine)
    return [answer.get("text") for answer in answers]


def _file_facts(header: Header) -> dict[str, Any]:
    return {
        "file_bytes": header.file_bytes,
        "version": header.version,
        "architecture": header.architecture,
        "name": header.text("general.name"),
        "model_version": header.text("general.version"),
        "quant": FILE_TYPES.get(_number(header, "general.file_type")),
        "tensor_types": _tensor_types(header),
        "tensors": len(header.tensors),
        "parameters": sum(
            tensor.weights for name, tensor in header.tensors.items() if name != "rope_freqs.weight"
        ),
    }


def _model_facts(numbers: Hyperparameters) -> dict[str, Any]:
    return {
        "context_length": numbers.context,
        "layers": numbers.layers,
        "width": numbers.width,
        "heads": max(numbers.heads) if numbers.heads else None,
        "kv_heads": max(numbers.kv_heads) if numbers.kv_heads else None,
        "key_length": numbers.key_length,
        "value_length": numbers.value_length,
        "vocabulary": numbers.vocabulary,
    }


def _number(header: Header, key: str) -> int:
    value = header.integer(key)
    return -1 if value is None else value


def _tensor_types(header: Header) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for tensor in header.tensors.values():
        sizes[tensor.type.name] = sizes.get(tensor.type.name, 0) + tensor.size_bytes
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def _tokenizer(header: Header) -> TokenizerReport | None:
    tokens = header.texts("tokenizer.ggml.tokens")
    if tokens is None:
        return None
    special: dict[str, SpecialToken] = {}
    for key in header.fields:
        if key.startswith("tokenizer.ggml.") and key.endswith("_token_id"):
            number = _number(header, key)
            role = key.removeprefix("tokenizer.ggml.").removesuffix("_token_id")
            special[role] = SpecialToken(
                id=number, text=tokens[number] if 0 <= number < len(tokens) else None
            )
    return TokenizerReport(
        kind=header.text("tokenizer.ggml.model") or "unknown",
        pre=header.text("tokenizer.ggml.pre"),
        tokens=len(tokens),
        merges=len(header.texts("tokenizer.ggml.merges") or []),
        special=special,
        add_bos=header.flag("tokenizer.ggml.add_bos_token"),
        add_eos=header.flag("tokenizer.ggml.add_eos_token"),
    )


def _template(header: Header, tokenizer: TokenizerReport | None, render: bool) -> TemplateReport | None:
    text = header.text("tokenizer.chat_template")
    if text is None:
        return None
    if not render:
        return TemplateReport(text=text, renders=None)
    return try_template(text, *_ends(tokenizer))


def _ends(tokenizer: TokenizerReport | None) -> tuple[str | None, str | None]:
    """The texts of the tokens that begin and end a text."""
    special = tokenizer.special if tokenizer else {}
    bos, eos = special.get("bos"), special.get("eos")
    return bos.text if bos else None, eos.text if eos else None


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise FileUnreadable(path, error) from error
