"""python -m hone_hub.inspect FILE.gguf [--context N] [--sha256] [--json]; exit code 1 when it must not be loaded."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .command import run
from .gguf import GGUFReport, inspect


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m hone_hub.inspect", description="What a GGUF file holds.")
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--context", type=_positive, help="tokens, for the memory estimate")
    parser.add_argument("--sha256", action="store_true", help="also read the whole file for its digest")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    arguments = parser.parse_args()
    report = inspect(arguments.file, context=arguments.context, digest=arguments.sha256)
    sys.stdout.write((report.model_dump_json(indent=2) if arguments.json else as_text(report)) + "\n")
    return 0 if report.ok else 1


def as_text(report: GGUFReport) -> str:
    types = ", ".join(f"{name} {_size(size)}" for name, size in report.tensor_types.items())
    rows = {
        "file": f"{_printable(str(report.path))}, {_size(report.file_bytes)}, GGUF {report.version}",
        "sha256": report.sha256,
        "model": f"{_printable(report.name or 'unnamed')}, {_printable(report.architecture or 'unknown')}",
        "parameters": f"{report.parameters / 1e6:.2f} million in {report.tensors} tensors",
        "quant": f"{report.quant or 'not stated'} ({types})",
        "shape": f"{report.layers} layers, width {report.width}, {report.heads} heads, "
        f"{report.kv_heads} key-value heads of {report.key_length}, context {report.context_length}",
        "tokenizer": _tokenizer(report),
        "chat template": _template(report),
        "memory": _memory(report),
    }
    lines = [f"{name + ':':15}{value}" for name, value in rows.items() if value]
    lines += [f"{problem.severity}: {_printable(problem.message)}" for problem in report.problems]
    return "\n".join(lines)


def _tokenizer(report: GGUFReport) -> str:
    tokenizer = report.tokenizer
    if tokenizer is None:
        return "none"
    special = ", ".join(f"{role} {token.id} {token.text!r}" for role, token in tokenizer.special.items())
    kind = f"{tokenizer.kind}/{tokenizer.pre or 'none'}"
    return f"{_printable(kind)}, {tokenizer.tokens} tokens ({special})"


def _template(report: GGUFReport) -> str:
    if report.chat_template is None:
        return "none"
    state = "renders" if report.chat_template.renders else "does not render"
    return f"{len(report.chat_template.text)} characters, {state}"


def _memory(report: GGUFReport) -> str:
    if report.memory is None:
        return ""
    memory = report.memory
    return (
        f"about {_size(memory.total_bytes)} at {memory.context} tokens (weights {_size(memory.weights_bytes)}, "
        f"KV cache {_size(memory.kv_cache_bytes)}, compute {_size(memory.compute_bytes)})"
    )


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.2f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.1f} MB"


def _printable(text: str) -> str:
    """A stranger's text on our terminal: no escape sequences, no line breaks, not endless."""
    return "".join(letter if letter.isprintable() else "�" for letter in text[:200])


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("give a positive number")
    return number


if __name__ == "__main__":
    sys.exit(run(main))
