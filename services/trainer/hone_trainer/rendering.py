"""Examples as a model sees them: the generator writes them, as many at a time as a message holds."""

from collections.abc import Iterator, Sequence

from hone_contracts.artifacts import ArtifactType
from hone_contracts.registry import Reading
from hone_contracts.teaching import ExampleText, RenderedExample, RenderedExamples, RenderExamples
from hone_trainer.asking import Asking

_MOST_BYTES = 300_000  # of a megabyte: the answer holds the texts again, and instructions with each passage
_MOST_EXAMPLES = 10  # finding the passages of a long diagram takes a busy machine a second


async def render(
    ask: Asking, tenant: str, artifact_type: ArtifactType, reading: Reading, examples: Sequence[ExampleText]
) -> list[RenderedExample]:
    """One for each example, in their order. Raises HandlingError."""
    rendered: list[RenderedExample] = []
    for part in _parts(examples):
        question = RenderExamples(
            tenant=tenant, artifact_type=artifact_type, reading=reading, examples=tuple(part)
        )
        rendered += (await ask(question, RenderedExamples)).examples
    return rendered


def _parts(examples: Sequence[ExampleText]) -> Iterator[list[ExampleText]]:
    part: list[ExampleText] = []
    size = 0
    for each in examples:
        own = len(each.model_dump_json().encode())
        if part and (size + own > _MOST_BYTES or len(part) == _MOST_EXAMPLES):
            yield part
            part, size = [], 0
        part.append(each)
        size += own
    if part:
        yield part
