"""Renders one chat template and ends; run as a process of its own, because a template can loop for ever or
fill the memory. Reads {"template", "contexts"} as JSON from stdin, and writes {"text"} or {"error"} for each.

Started by path with `python -I`, so that it imports nothing but jinja2.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import NoReturn

from jinja2 import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

_CPU_SECONDS = 2
_MEMORY_BYTES = 512 << 20
_OUTPUT_CHARACTERS = 20_000


class _Generation(Extension):
    """`{% generation %}` marks the assistant's tokens for training; for rendering it is nothing."""

    tags = {"generation"}  # noqa: RUF012  # jinja2 declares it so

    def parse(self, parser: Parser) -> list[Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _limit() -> None:
    """Where the platform has limits; the caller's wall clock holds everywhere."""
    try:
        import resource  # noqa: PLC0415  # not on Windows
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)


def _render(template: str, context: dict[str, object]) -> str:
    # As transformers' apply_chat_template sets it up.
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, _Generation]
    )
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(
        value, ensure_ascii=False, indent=indent
    )
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = lambda layout: datetime.now().strftime(layout)
    return environment.from_string(template).render(**context)


def _answer(template: str, context: dict[str, object]) -> dict[str, str]:
    try:
        return {"text": _render(template, context)[:_OUTPUT_CHARACTERS]}
    except MemoryError:
        return {"error": "it needs too much memory"}
    except Exception as error:  # noqa: BLE001  # this is the process's edge; a template can raise anything
        return {"error": f"{type(error).__name__}: {error}"[:500]}


def main() -> None:
    request = json.load(sys.stdin)
    _limit()
    sys.stdout.write(json.dumps([_answer(request["template"], context) for context in request["contexts"]]))


if __name__ == "__main__":
    main()
