"""One example as questions and answers, or the reason why it cannot be taught."""

from hone_contracts.registry import Reading
from hone_contracts.teaching import ExampleText, RenderedExample
from hone_generator.artifacts.held import MOST_ANSWER_CHARS
from hone_generator.artifacts.inverse import Inexpressible
from hone_generator.artifacts.kind import ArtifactKind
from hone_generator.artifacts.options import BadOption, check_names
from hone_generator.teaching.pairs import asked, passage_answers
from hone_generator.teaching.readback import diagram_behind

MOST_REQUIREMENTS_CHARS = 64 * 1024  # the longest that a model was asked about with success is a fifth of it


async def rendered(kind: ArtifactKind, example: ExampleText, reading: Reading) -> RenderedExample:
    """Total: examples come from people, and one that is bad costs itself alone."""
    try:
        _check(kind, example, reading)
        check_names(kind, example.options)
        return await _by_passages(kind, example, reading)
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
