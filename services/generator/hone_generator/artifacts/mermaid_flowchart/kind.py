"""The flowchart as an artifact type."""

from hone_contracts.artifacts import ArtifactType
from hone_generator.artifacts.diagrams.kind import DiagramKind, Notation
from hone_generator.artifacts.mermaid_flowchart.answer import (
    INSTRUCTIONS,
    PROMPT_VERSION,
    FlowchartAnswer,
    chart_of,
    stated,
)
from hone_generator.artifacts.mermaid_flowchart.checks import FlowchartChecks
from hone_generator.artifacts.mermaid_flowchart.ir import Flowchart, named
from hone_generator.artifacts.mermaid_flowchart.parse import HEADER, parse
from hone_generator.artifacts.mermaid_flowchart.render import render, settled

MERMAID_FLOWCHART = DiagramKind(
    ArtifactType.MERMAID_FLOWCHART,
    PROMPT_VERSION,
    Notation(
        answer=FlowchartAnswer,
        data=Flowchart,
        header=HEADER,
        instructions=INSTRUCTIONS,
        diagram=chart_of,
        settled=settled,
        render=render,
        parse=parse,
        named=named,
        stated=stated,
        checks=FlowchartChecks,
    ),
)
