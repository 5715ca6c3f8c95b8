"""An answer that says nothing is worth next to nothing, whatever cannot be wrong in it."""

import pytest
from asking import silent

from hone_contracts.artifacts import ArtifactType
from hone_generator.artifacts import KINDS
from hone_generator.artifacts.kind import Ask, Brief, Subject, Tools
from hone_generator.mermaid import MermaidParser
from hone_generator.validators.judge import judge
from hone_generator.validators.scoring import combine

REQUIREMENTS = (
    "Each member has a name and an email. A member can have many loans. A loan is returned by its due date."
)


@pytest.mark.parametrize("artifact_type", [each for each in KINDS if "whole" in KINDS[each].readings])
@pytest.mark.parametrize("said", ["", "{}", "I am sorry, I cannot do that."])
async def test_nothing_scores_next_to_nothing(artifact_type: ArtifactType, said: str) -> None:
    kind, tools = KINDS[artifact_type], Tools(MermaidParser())
    ask: Ask = lambda _messages, _constraint: _answered(said)  # noqa: E731

    try:
        draft = await kind.make(Brief(REQUIREMENTS), ask, silent)
        subject = Subject(draft.content, REQUIREMENTS, context="class Member", draft=draft)
        score = combine(await judge(kind, subject, tools))
    finally:
        await tools.mermaid.aclose()
    assert score.score < 20
    assert not score.accepted(60)


async def _answered(said: str) -> str:
    return said
