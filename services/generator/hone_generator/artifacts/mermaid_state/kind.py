"""The state diagram as an artifact type."""

from hone_contracts.artifacts import ArtifactType
from hone_generator.artifacts.diagrams.kind import DiagramKind, Notation
from hone_generator.artifacts.mermaid_state.answer import (
    INSTRUCTIONS,
    PROMPT_VERSION,
    StateAnswer,
    machine_of,
    stated,
)
from hone_generator.artifacts.mermaid_state.checks import StateChecks
from hone_generator.artifacts.mermaid_state.ir import StateMachine, named
from hone_generator.artifacts.mermaid_state.parse import HEADER, parse
from hone_generator.artifacts.mermaid_state.render import render, settled

MERMAID_STATE = DiagramKind(
    ArtifactType.MERMAID_STATE,
    PROMPT_VERSION,
    Notation(
        answer=StateAnswer,
        data=StateMachine,
        header=HEADER,
        instructions=INSTRUCTIONS,
        diagram=machine_of,
        settled=settled,
        render=render,
        parse=parse,
        named=named,
        stated=stated,
        checks=StateChecks,
    ),
)
