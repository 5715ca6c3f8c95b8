"""The ER diagram as an artifact type."""

from collections.abc import Sequence

from hone_contracts.artifacts import ArtifactType, ValidatorResult
from hone_contracts.erd_facts import FactsError
from hone_contracts.registry import Reading
from hone_generator.artifacts.inverse import Quotes
from hone_generator.artifacts.kind import Ask, Brief, Draft, Parsed, Subject, Tell, Tools
from hone_generator.artifacts.mermaid_erd import prompts, reading
from hone_generator.artifacts.mermaid_erd.checks import ParsedErd
from hone_generator.artifacts.mermaid_erd.inverse import answer_of
from hone_generator.artifacts.mermaid_erd.ir import Diagram
from hone_generator.artifacts.mermaid_erd.render import render
from hone_generator.providers.base import ChatMessage, Gbnf, JsonSchema
from hone_generator.validators.mermaid_syntax import validate_syntax


class _Answers:
    """What the model said last: it is shown that when it shall mend it."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self.last = ""

    async def __call__(self, messages: Sequence[ChatMessage], constraint: Gbnf | JsonSchema | None) -> str:
        self.last = await self._ask(messages, constraint)
        return self.last


class MermaidErd:
    """Reads facts, merges them into a diagram, renders it."""

    type = ArtifactType.MERMAID_ERD
    prompt_version = prompts.PROMPT_VERSION
    readings: frozenset[Reading] = frozenset({"whole", "passages", "passages_schema"})
    suffix = ".mmd"

    async def make(self, brief: Brief, ask: Ask, tell: Tell) -> Draft:
        answers = _Answers(ask)
        try:
            async for event in reading.read(brief, answers):
                if isinstance(event, reading.Progress):
                    await tell("reading", event.passage, done=event.done, total=event.total)
                else:
                    found = event
        except FactsError as error:  # a bad answer is a low score with its reason, not a failed job
            empty = Diagram()
            notes = (f"the answer could not be read: {error}",)
            return Draft(render(empty), empty.to_json(), notes=notes, answer=answers.last)
        answer = answers.last if brief.reading == "whole" else ""
        return Draft(render(found.diagram), found.diagram.to_json(), found.evidence, found.messages, answer)

    def read(self, subject: Subject) -> Parsed:
        if subject.draft is not None:
            return ParsedErd(Diagram.model_validate(subject.draft.ir))
        return ParsedErd.of_text(subject.content)

    def answer_of(self, subject: Subject, quotes: Quotes) -> str:
        diagram = ParsedErd.of_text(subject.content).diagram
        return answer_of(diagram, quotes)

    async def syntax(self, subject: Subject, tools: Tools) -> ValidatorResult:
        return await validate_syntax(tools.mermaid, self.type, subject.content)
