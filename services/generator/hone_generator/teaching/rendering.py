"""One example as questions and answers, or the reason why it cannot be taught."""

from hone_contracts.artifacts import ArtifactType, Evidence
from hone_contracts.registry import Reading
from hone_contracts.teaching import ExampleText, RenderedExample
from hone_generator.artifacts.held import MOST_ANSWER_CHARS
from hone_generator.artifacts.inverse import Inexpressible, Quotes
from hone_generator.artifacts.kind import ArtifactKind, Subject
from hone_generator.artifacts.mermaid_erd.ir import evidence_of
from hone_generator.artifacts.options import BadOption, check_names
from hone_generator.teaching.agreement import parts_of, unlike
from hone_generator.teaching.alignment import align, merged
from hone_generator.teaching.pairs import asked, passage_answers
from hone_generator.teaching.readback import diagram_behind
from hone_generator.text.passages import split_passages

MOST_REQUIREMENTS_CHARS = 64 * 1024  # the longest that a model was asked about with success is a fifth of it


async def rendered(kind: ArtifactKind, example: ExampleText, reading: Reading) -> RenderedExample:
    """Total: examples come from people, and one that is bad costs itself alone."""
    try:
        _check(kind, example, reading)
        check_names(kind, example.options)
        return await (_whole if reading == "whole" else _by_passages)(kind, example, reading)
    except (Inexpressible, BadOption) as error:
        return RenderedExample(reason=str(error))


def _check(kind: ArtifactKind, example: ExampleText, reading: Reading) -> None:
    if reading not in kind.readings:
        raise Inexpressible(f"{kind.type} is not made with the reading {reading}")
    for name, text, most in (
        ("requirements", example.requirements, MOST_REQUIREMENTS_CHARS),
        ("content", example.content, MOST_ANSWER_CHARS),
        ("context", example.context_text or "", MOST_ANSWER_CHARS),
    ):
        if len(text) > most:
            raise Inexpressible(f"the {name} has {len(text)} characters, {most} are taken")
    if not example.requirements.strip() or not example.content.strip():
        raise Inexpressible("an example needs requirements and an artifact")


async def _by_passages(kind: ArtifactKind, example: ExampleText, reading: Reading) -> RenderedExample:
    diagram = diagram_behind(kind.type, example.content, example.options)
    answers, alignment = passage_answers(example, diagram, reading)
    pairs, _ = await asked(kind, example, reading, answers)
    if not any(each.facts for each in alignment.passages):
        raise Inexpressible("no passage of the requirements states anything of the artifact")
    return RenderedExample(pairs=tuple(pairs), unexpressed=alignment.unexpressed)


async def _whole(kind: ArtifactKind, example: ExampleText, reading: Reading) -> RenderedExample:
    subject = Subject(example.content, example.requirements, example.context_text, example.options)
    answer = kind.answer_of(subject, Quotes.of(_evidence(kind, example)))
    if len(answer) > MOST_ANSWER_CHARS:
        raise Inexpressible(f"its answer has {len(answer)} characters, {MOST_ANSWER_CHARS} are read")
    pairs, draft = await asked(kind, example, reading, [answer])
    missing = tuple(unlike(kind, draft.content, example.content, example.options))
    parts = sum(len(each) for each in parts_of(kind, example.content, example.options))
    if not draft.content.strip() or len(missing) * 2 > parts:
        raise Inexpressible("the answer's form has no place for most of the artifact")
    return RenderedExample(pairs=tuple(pairs), unexpressed=missing)


def _evidence(kind: ArtifactKind, example: ExampleText) -> tuple[Evidence, ...]:
    """The original answer's; where a diagram was corrected, the passages that state it come after."""
    if kind.type is not ArtifactType.MERMAID_ERD:
        return example.evidence
    found = align(example.requirements, diagram_behind(kind.type, example.content, {}), example.evidence)
    texts = [passage.text for passage in split_passages(example.requirements)]
    return (*example.evidence, *evidence_of(merged(found.passages), texts))
