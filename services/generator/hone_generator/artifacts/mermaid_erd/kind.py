"""The ER diagram as an artifact type."""

import asyncio

from hone_contracts.artifacts import ArtifactType, ValidatorResult
from hone_contracts.erd_facts import FactsError
from hone_contracts.registry import Reading
from hone_generator.artifacts.kind import Ask, Draft, Tell, Tools
from hone_generator.artifacts.mermaid_erd import parse, prompts, reading
from hone_generator.artifacts.mermaid_erd.ir import Diagram
from hone_generator.artifacts.mermaid_erd.render import render
from hone_generator.validators.coverage import check_coverage
from hone_generator.validators.mermaid_syntax import validate_syntax
from hone_generator.validators.structure import check_structure, check_structure_of_text


class MermaidErd:
    """Reads facts, merges them into a diagram, renders it."""

    type = ArtifactType.MERMAID_ERD
    prompt_version = prompts.PROMPT_VERSION

    async def make(self, requirements: str, how: Reading, ask: Ask, tell: Tell) -> Draft:
        try:
            async for event in reading.read(requirements, ask, how):
                if isinstance(event, reading.Progress):
                    await tell("reading", event.passage, done=event.done, total=event.total)
                else:
                    found = event
        except FactsError as error:  # a bad answer is a low score with its reason, not a failed job
            empty = Diagram()
            return Draft(render(empty), empty.to_json(), notes=(f"the answer could not be read: {error}",))
        return Draft(render(found.diagram), found.diagram.to_json(), found.evidence, found.messages)

    async def judge(
        self, content: str, requirements: str | None, tools: Tools, draft: Draft | None = None
    ) -> list[ValidatorResult]:
        diagram = Diagram.model_validate(draft.ir) if draft is not None else None
        syntax = asyncio.create_task(validate_syntax(tools.mermaid, self.type, content))
        results = [check_structure(diagram) if diagram is not None else check_structure_of_text(content)]
        if requirements is not None:
            results.append(check_coverage(diagram or parse.parse(content).diagram, requirements))
        return [await syntax, *results]
