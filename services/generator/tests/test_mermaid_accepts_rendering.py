"""What the renderer makes of hostile names, Mermaid's own grammar accepts: 2,000 of 2,000."""

import asyncio
from collections.abc import Iterator

import pytest
from erd_strategies import diagrams
from hone_generator.artifacts.mermaid_erd.ir import Diagram
from hone_generator.artifacts.mermaid_erd.render import render
from hone_generator.mermaid import MermaidParser, ParseResult
from hone_generator.mermaid import build as mermaid_build
from hypothesis import HealthCheck, given, settings


class Grammar:
    """The parser for a test that hypothesis calls, which cannot be a coroutine."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._parser = MermaidParser(time_limit_s=20)

    def verdict(self, text: str) -> ParseResult:
        return self._runner.run(self._parser.parse(text))

    def close(self) -> None:
        self._runner.run(self._parser.aclose())
        self._runner.close()


@pytest.fixture(scope="module")
def grammar() -> Iterator[Grammar]:
    assert mermaid_build.main([]) == 0
    grammar = Grammar()
    yield grammar
    grammar.close()


@settings(max_examples=2_000, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(diagram=diagrams())
def test_every_rendered_diagram_is_an_er_diagram_to_mermaid(grammar: Grammar, diagram: Diagram) -> None:
    text = render(diagram)
    result = grammar.verdict(text)
    assert result.diagram_type == "er", f"{result.fault} in\n{text}"
