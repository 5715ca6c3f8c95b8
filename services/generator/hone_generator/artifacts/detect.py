"""Which artifact type a text is, where nobody said so: by its first telling line."""

import json
import re

from hone_contracts.artifacts import ArtifactType

_LONGEST_READ = 64 * 1024
_DIAGRAMS = {
    "erDiagram": ArtifactType.MERMAID_ERD,
    "classDiagram": ArtifactType.MERMAID_CLASS,
    "classDiagram-v2": ArtifactType.MERMAID_CLASS,
    "sequenceDiagram": ArtifactType.MERMAID_SEQUENCE,
    "flowchart": ArtifactType.MERMAID_FLOWCHART,
    "graph": ArtifactType.MERMAID_FLOWCHART,
    "stateDiagram": ArtifactType.MERMAID_STATE,
    "stateDiagram-v2": ArtifactType.MERMAID_STATE,
}
_SUFFIXES = {".sql": ArtifactType.SQL_DDL, ".py": ArtifactType.PYTHON_CODE, ".md": ArtifactType.USER_STORIES}
_SQL = re.compile(r"^[^\S\n]*+CREATE\s++(?:\w++\s++){0,2}TABLE\b", re.IGNORECASE | re.MULTILINE)
_STORY = re.compile(r"^[^\S\n]*+(?:#{1,6}[^\S\n]++US-?\d|(?:\*\*)?As an? )", re.IGNORECASE | re.MULTILINE)
_OPENAPI = re.compile(r"^[^\S\n]*+[\"']?openapi[\"']?[^\S\n]*+:", re.MULTILINE)
_PYTHON = re.compile(
    r"^(?:from [\w.]++ import |import \w|class \w++[^\n]{0,200}:|(?:async )?def \w++\()", re.MULTILINE
)


def type_of(content: str, suffix: str = "") -> ArtifactType | None:
    """None where the text tells nothing; ``suffix`` of its file helps where the text alone does not."""
    text = content[:_LONGEST_READ]
    diagram = next((_DIAGRAMS[word] for word in _first_words(text) if word in _DIAGRAMS), None)
    if diagram is not None:
        return diagram
    if text.lstrip().startswith("{"):
        return _of_json(content)
    for pattern, found in (
        (_OPENAPI, ArtifactType.OPENAPI),
        (_SQL, ArtifactType.SQL_DDL),
        (_STORY, ArtifactType.USER_STORIES),
        (_PYTHON, ArtifactType.PYTHON_CODE),
    ):
        if pattern.search(text):
            return found
    return _SUFFIXES.get(suffix.lower())


def _first_words(text: str) -> list[str]:
    """Of the first lines that are no comment: a diagram says there what it is, behind front matter if it has any."""
    lines = text.split("\n", 200)[:200]
    if lines and lines[0].strip() == "---":
        end = next((place for place, line in enumerate(lines[1:], 1) if line.strip() == "---"), 0)
        lines = lines[end + 1 :]
    told = (line.strip() for line in lines if line.strip() and not line.strip().startswith("%%"))
    first = next(told, "")
    return first.replace(";", " ").split()[:1]


def _of_json(content: str) -> ArtifactType | None:
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return ArtifactType.OPENAPI if '"openapi"' in content[:_LONGEST_READ] else ArtifactType.JSON_SCHEMA
    if not isinstance(document, dict):
        return None
    return (
        ArtifactType.OPENAPI if "openapi" in document or "swagger" in document else ArtifactType.JSON_SCHEMA
    )
