"""Finished artifacts read back into the ER diagram whose facts they were made of, for the types that can be made
passage by passage."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from hone_contracts.artifacts import ArtifactType
from hone_generator.artifacts.inverse import Inexpressible
from hone_generator.artifacts.mermaid_erd.checks import ParsedErd
from hone_generator.artifacts.mermaid_erd.ir import Diagram
from hone_generator.teaching.from_api import diagram_of_api
from hone_generator.teaching.from_classes import diagram_of_classes
from hone_generator.teaching.from_code import diagram_of_code
from hone_generator.teaching.from_tables import diagram_of_tables

_MOST_ELEMENTS = 2_000


def diagram_behind(type_: ArtifactType, content: str, options: Mapping[str, str]) -> Diagram:
    """Raises Inexpressible where the type's text does not tell its facts."""
    reader = _READERS.get(type_)
    if reader is None:
        raise Inexpressible(
            f"{type_} does not tell how many of each other things have: teach it with the reading whole"
        )
    diagram = reader(content, options)
    if not diagram.entities:
        raise Inexpressible("the artifact has no entities")
    count = sum(1 + len(each.attributes) for each in diagram.entities) + len(diagram.relationships)
    if count > _MOST_ELEMENTS:
        raise Inexpressible(f"the artifact has {count} elements, {_MOST_ELEMENTS} are read")
    return diagram


def _of_erd(content: str, options: Mapping[str, str]) -> Diagram:  # noqa: ARG001 (has none)
    return ParsedErd.of_text(content).diagram


_READERS: Mapping[ArtifactType, Callable[[str, Mapping[str, str]], Diagram]] = MappingProxyType(
    {
        ArtifactType.MERMAID_ERD: _of_erd,
        ArtifactType.MERMAID_CLASS: diagram_of_classes,
        ArtifactType.SQL_DDL: diagram_of_tables,
        ArtifactType.PYTHON_CODE: diagram_of_code,
        ArtifactType.OPENAPI: diagram_of_api,
    }
)
