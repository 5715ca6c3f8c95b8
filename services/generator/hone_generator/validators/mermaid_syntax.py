"""Syntax of the Mermaid artifacts, judged by Mermaid's own grammar."""

from collections.abc import Mapping
from types import MappingProxyType

from hone_contracts.artifacts import ArtifactType, ValidatorResult
from hone_generator.mermaid import MermaidParser, ParseResult, SyntaxFault

NAME = "syntax"

# Mermaid's names of what its grammar recognised, by what was asked for; some have two renderers.
DIAGRAM_TYPES: Mapping[ArtifactType, frozenset[str]] = MappingProxyType(
    {
        ArtifactType.MERMAID_ERD: frozenset({"er"}),
        ArtifactType.MERMAID_CLASS: frozenset({"class", "classDiagram"}),
        ArtifactType.MERMAID_SEQUENCE: frozenset({"sequence"}),
        ArtifactType.MERMAID_FLOWCHART: frozenset({"flowchart", "flowchart-v2", "flowchart-elk"}),
        ArtifactType.MERMAID_STATE: frozenset({"state", "stateDiagram"}),
    }
)

_FIRST_LINES: Mapping[ArtifactType, str] = MappingProxyType(
    {
        ArtifactType.MERMAID_ERD: "erDiagram",
        ArtifactType.MERMAID_CLASS: "classDiagram",
        ArtifactType.MERMAID_SEQUENCE: "sequenceDiagram",
        ArtifactType.MERMAID_FLOWCHART: "flowchart TD",
        ArtifactType.MERMAID_STATE: "stateDiagram-v2",
    }
)

_EXPECTED_SHOWN = 8
_MOST_BLANK_LINES = (
    500  # in a row; Mermaid takes the square of their number, and other diagrams wait meanwhile
)


async def validate_syntax(
    parser: MermaidParser, artifact_type: ArtifactType, content: str
) -> ValidatorResult:
    """100 when the grammar accepts ``content`` as a diagram of that type, else 0: there is no half a syntax.

    Raises MermaidError when the grammar gave no verdict, and KeyError for a type that is not a Mermaid diagram.
    """
    if (line := _blank_from(content)) is not None:
        desert = f"line {line}: more than {_MOST_BLANK_LINES} blank lines stand here: take them out"
        return ValidatorResult(name=NAME, score=0, passed=False, messages=(desert,))
    result = await parser.parse(content)
    message = _objection(artifact_type, result)
    if message is None:
        return ValidatorResult(name=NAME, score=100, passed=True)
    return ValidatorResult(name=NAME, score=0, passed=False, messages=(message,))


def _blank_from(content: str) -> int | None:
    """The first of too many blank lines in a row."""
    blank = 0
    for number, line in enumerate(content.splitlines(), 1):
        blank = 0 if line.strip() else blank + 1
        if blank > _MOST_BLANK_LINES:
            return number - _MOST_BLANK_LINES
    return None


def _objection(artifact_type: ArtifactType, result: ParseResult) -> str | None:
    if result.fault is not None:
        return _described(result.fault)
    if result.diagram_type in DIAGRAM_TYPES[artifact_type]:
        return None
    first_line = _FIRST_LINES[artifact_type]
    return f"this is a diagram of type {result.diagram_type}; begin it with `{first_line}`"


def _described(fault: SyntaxFault) -> str:
    places = (("line", fault.line), ("column", fault.column))
    where = ", ".join(f"{name} {number}" for name, number in places if number is not None)
    message = f"{where}: {fault.message}" if where else fault.message
    if not fault.expected:
        return message
    more = ", …" if len(fault.expected) > _EXPECTED_SHOWN else ""
    return f"{message}; expected {', '.join(fault.expected[:_EXPECTED_SHOWN])}{more}"
