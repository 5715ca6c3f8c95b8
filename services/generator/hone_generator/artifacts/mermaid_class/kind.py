"""The class diagram as an artifact type."""

from hone_contracts.artifacts import ArtifactType
from hone_contracts.registry import Reading
from hone_generator.artifacts.data_model import read_data_model
from hone_generator.artifacts.diagrams.kind import DiagramKind, Notation, drafted
from hone_generator.artifacts.kind import Ask, Brief, Draft, Tell
from hone_generator.artifacts.mermaid_class.answer import (
    INSTRUCTIONS,
    PROMPT_VERSION,
    ClassAnswer,
    diagram_of,
    stated,
)
from hone_generator.artifacts.mermaid_class.checks import ClassChecks
from hone_generator.artifacts.mermaid_class.facts import diagram_of_facts
from hone_generator.artifacts.mermaid_class.ir import ClassDiagram, named
from hone_generator.artifacts.mermaid_class.parse import HEADER, parse
from hone_generator.artifacts.mermaid_class.render import render, settled

_NOTATION = Notation(
    answer=ClassAnswer,
    data=ClassDiagram,
    header=HEADER,
    instructions=INSTRUCTIONS,
    diagram=diagram_of,
    settled=settled,
    render=render,
    parse=parse,
    named=named,
    stated=stated,
    checks=ClassChecks,
)


class MermaidClass(DiagramKind[ClassAnswer, ClassDiagram]):
    """Read at once, operations included; passage by passage, its data alone."""

    def __init__(self) -> None:
        super().__init__(ArtifactType.MERMAID_CLASS, PROMPT_VERSION, _NOTATION)
        self.readings: frozenset[Reading] = frozenset({"whole", "passages", "passages_schema"})

    async def make(self, brief: Brief, ask: Ask, tell: Tell) -> Draft:
        if brief.reading == "whole":
            return await super().make(brief, ask, tell)
        read = await read_data_model(brief, ask, tell)
        return drafted(diagram_of_facts(read), _NOTATION, read.notes)
