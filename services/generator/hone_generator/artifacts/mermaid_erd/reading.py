"""From requirements to a diagram: asks a model, passage by passage or once, and merges what it says.

No I/O of its own: `ask` is the engine's call to whatever model the route names.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from hone_contracts import erd_facts
from hone_contracts.artifacts import Evidence
from hone_contracts.erd_facts import Facts, FactsError, normalise
from hone_contracts.registry import Reading as Mode
from hone_generator.artifacts.extract import fenced
from hone_generator.artifacts.held import schema_of
from hone_generator.artifacts.kind import Ask, Brief
from hone_generator.artifacts.mermaid_erd import grounding, parse, prompts, schema
from hone_generator.artifacts.mermaid_erd.checks import undeclared
from hone_generator.artifacts.mermaid_erd.ir import Diagram, evidence_of
from hone_generator.artifacts.mermaid_erd.merge import Answer, merge
from hone_generator.artifacts.mermaid_erd.project_names import in_project_names
from hone_generator.artifacts.mermaid_erd.subjects import SubjectTracker
from hone_generator.artifacts.prompting import whole_messages
from hone_generator.text.passages import Passage, split_passages

_DRAWN = re.compile(r"^[ \t]*erDiagram\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Progress:
    """Passage `done` of `total` was answered."""

    done: int
    total: int
    passage: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of a text. `messages` tell which passages gave nothing because their answer was no answer."""

    diagram: Diagram
    evidence: tuple[Evidence, ...]
    messages: tuple[str, ...]


async def read(brief: Brief, ask: Ask) -> AsyncIterator[Progress | Reading]:
    """Read a text: yields Progress after each answer and one Reading at the end.

    What `ask` raises passes through (the model is gone); an answer that is none costs its passage alone,
    except when a whole text has only that one: then FactsError is raised, to be tried again.
    """
    passages = await asyncio.to_thread(split_passages, brief.requirements)  # hostile texts take a second
    if brief.reading == "whole":
        async for event in _read_whole(brief, passages, ask):
            yield event
    else:
        async for event in _read_passages(passages, ask, brief):
            yield event


async def _read_whole(brief: Brief, passages: list[Passage], ask: Ask) -> AsyncIterator[Progress | Reading]:
    text = await ask(whole_messages(prompts.WHOLE, brief), schema_of(schema.WholeAnswer))
    drawn = await asyncio.to_thread(diagram_in, text)
    if drawn is not None:
        yield Progress(1, 1, "")
        yield Reading(
            in_project_names(drawn, brief.context),
            (),
            ("the answer was a Mermaid diagram, not the JSON document",),
        )
        return
    found = schema.facts_of_whole_answer(text, passages)
    yield Progress(1, 1, "")
    yield _reading(found.answers, passages, found.messages, brief)


async def _read_passages(
    passages: list[Passage], ask: Ask, brief: Brief
) -> AsyncIterator[Progress | Reading]:
    tracker = SubjectTracker()
    answers: list[Answer] = []
    messages: list[str] = []
    for passage in passages:
        line, subject = normalise(passage.text), tracker.subject_of(passage)
        try:
            facts, strange = await _facts_of(subject, line, ask, brief.reading)
        except FactsError as error:
            facts, strange = (), ()
            messages.append(
                f"passage {passage.index + 1} ({_short(passage.text)}) was not read: {error.reason}"
            )
        if strange:
            invented = ", ".join(repr(name) for name in strange[:5])
            messages.append(f"passage {passage.index + 1}: left out {invented}, not words of it")
        tracker.answered(passage, facts)
        answers.append(Answer(passage.index, line, facts))
        yield Progress(passage.index + 1, len(passages), passage.text)
    yield _reading(answers, passages, messages, brief)


async def _facts_of(subject: str, line: str, ask: Ask, mode: Mode) -> tuple[Facts, tuple[str, ...]]:
    """The facts of a passage, and names that were left out because they do not stand in it."""
    if not grounding.name_spans(subject, line):
        return (), ()  # no word of it could be a name: nothing to ask
    if mode == "passages":
        prompt = prompts.starter_messages(subject, line)
        facts = erd_facts.loads(await ask(prompt, grounding.grammar_for(subject, line)))
    else:
        prompt = prompts.passage_messages(subject, line)
        facts = grounding.facts_of_schema_answer(await ask(prompt, grounding.schema_for(subject, line)))
    return grounding.grounded(facts, subject, line)


def diagram_in(answer: str) -> Diagram | None:
    """The diagram of an answer that is Mermaid instead of facts, as models without a grammar like to give; its ends
    that nothing declares stay undeclared."""
    text = fenced(answer, frozenset({"mermaid", "mmd", "erdiagram"}))
    begin = _DRAWN.search(text)
    if begin is None or text.lstrip().startswith("{"):
        return None
    parsed = parse.parse(text[begin.start() :])
    missing = undeclared(parsed)
    kept = tuple(entity for entity in parsed.diagram.entities if entity.name not in missing)
    return parsed.diagram.model_copy(update={"entities": kept})


def _reading(
    answers: list[Answer] | tuple[Answer, ...],
    passages: list[Passage],
    messages: list[str] | tuple[str, ...],
    brief: Brief,
) -> Reading:
    diagram = in_project_names(merge(answers), brief.context)
    evidence = evidence_of(diagram, [passage.text for passage in passages])
    return Reading(diagram, tuple(evidence), tuple(messages))


def _short(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"
