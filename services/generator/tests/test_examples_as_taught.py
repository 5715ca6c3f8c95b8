"""Examples as the trainer is given them stand before the questions of every reading: both sides put them alike."""

import time
from typing import Any

import pytest
from scripted_provider import ScriptedProvider

from hone_contracts.artifacts import ArtifactType
from hone_contracts.registry import PromptVersion, Reading, Route, Turn
from hone_contracts.teaching import ExampleText, RenderExamples
from hone_generator.artifacts import KINDS
from hone_generator.artifacts.kind import Tools
from hone_generator.engine.circuits import Circuits
from hone_generator.engine.engine import Engine, Request
from hone_generator.engine.telling import Audience
from hone_generator.mermaid import MermaidParser
from hone_generator.providers.base import ChatMessage, Role
from hone_generator.teaching.desk import TeachingDesk

TEXT = "Each member has a name and an email. A member can have many loans."
ERD = 'erDiagram\n  Member {\n    string name\n    string email\n  }\n  Loan {\n  }\n  Member ||--o{ Loan : "has"\n'
SQL = "CREATE TABLE member (\n  id INTEGER PRIMARY KEY,\n  name TEXT NOT NULL,\n  email TEXT\n);\n"


async def taught(kind: ArtifactType, reading: Reading, content: str, **options: str) -> PromptVersion:
    """As the trainer makes a version of it."""
    example = ExampleText(requirements=TEXT, content=content, options=options)
    asked = RenderExamples(artifact_type=kind, reading=reading, examples=(example,))
    (found,) = (await TeachingDesk(KINDS).render(asked)).examples
    assert found.pairs, found.reason
    turns = [
        turn
        for pair in found.pairs
        for turn in (Turn(role="user", content=pair.user), Turn(role="assistant", content=pair.assistant))
    ]
    return PromptVersion(reading=reading, system=found.pairs[0].system, turns=tuple(turns))


async def question(kind: ArtifactType, prompt: PromptVersion, **options: str) -> tuple[Any, Any]:
    """What a model is sent first, and what the artifact says."""
    provider, tools = ScriptedProvider(lambda *_: "[]"), Tools(MermaidParser())
    engine = Engine({"llamacpp": provider}, tools, Circuits(time.monotonic))
    own = {"reading": prompt.reading, "prompt": prompt, "version": 2, "attempts_per_model": 1}
    route = Route(artifact_type=kind, model="llamacpp:m", **own)
    try:
        made = await engine.generate(Request(KINDS[kind], route, TEXT, options=options), Audience())
    finally:
        await tools.mermaid.aclose()
    return provider.requests[0].messages, made.reasons


@pytest.mark.parametrize(
    ("kind", "reading", "content"),
    [
        (ArtifactType.MERMAID_ERD, "whole", ERD),
        (ArtifactType.MERMAID_ERD, "passages", ERD),
        (ArtifactType.MERMAID_ERD, "passages_schema", ERD),
        (ArtifactType.SQL_DDL, "whole", SQL),
    ],
)
async def test_what_is_taught_stands_before_what_is_asked(
    kind: ArtifactType, reading: Reading, content: str
) -> None:
    prompt = await taught(kind, reading, content)
    sent, reasons = await question(kind, prompt)
    turns = tuple(ChatMessage(Role(turn.role), turn.content) for turn in prompt.turns)
    begin = 1 if sent[0].role is Role.SYSTEM else 0
    assert sent[begin : begin + len(turns)] == turns
    assert len(sent) == begin + len(turns) + 1
    assert (sent[0].content if begin else "") == prompt.system
    assert not [each for each in reasons if "other instructions" in each]


async def test_examples_of_another_dialect_are_left_out() -> None:
    prompt = await taught(ArtifactType.SQL_DDL, "whole", SQL, dialect="sqlite")
    sent, reasons = await question(ArtifactType.SQL_DDL, prompt, dialect="postgresql")
    assert [each.role for each in sent] == [Role.SYSTEM, Role.USER]
    assert any("other instructions" in each for each in reasons)
