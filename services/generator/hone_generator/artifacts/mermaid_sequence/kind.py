"""The sequence diagram as an artifact type."""

from hone_contracts.artifacts import ArtifactType
from hone_generator.artifacts.diagrams.kind import DiagramKind, Notation
from hone_generator.artifacts.mermaid_sequence.answer import (
    INSTRUCTIONS,
    PROMPT_VERSION,
    SequenceAnswer,
    sequence_of,
    stated,
)
from hone_generator.artifacts.mermaid_sequence.checks import SequenceChecks
from hone_generator.artifacts.mermaid_sequence.ir import Sequence, named
from hone_generator.artifacts.mermaid_sequence.parse import HEADER, parse
from hone_generator.artifacts.mermaid_sequence.render import render, settled

MERMAID_SEQUENCE = DiagramKind(
    ArtifactType.MERMAID_SEQUENCE,
    PROMPT_VERSION,
    Notation(
        answer=SequenceAnswer,
        data=Sequence,
        header=HEADER,
        instructions=INSTRUCTIONS,
        diagram=sequence_of,
        settled=settled,
        render=render,
        parse=parse,
        named=named,
        stated=stated,
        checks=SequenceChecks,
    ),
)
