"""The eight validators over one artifact, beside each other: the grammar's process and the card's host do their part
while this one does the rest."""

import asyncio

from hone_contracts.artifacts import ValidatorResult
from hone_generator.artifacts.kind import ArtifactKind, Subject, Tools
from hone_generator.validators.consistency import check_consistency
from hone_generator.validators.coverage import check_coverage
from hone_generator.validators.grounding import check_grounding
from hone_generator.validators.purity import check_purity


async def judge(kind: ArtifactKind, subject: Subject, tools: Tools) -> list[ValidatorResult]:
    """All verdicts, syntax first. Coverage and grounding need requirements, consistency needs a context; without,
    they are left out. So are those that an artifact with nothing in it could only pass."""
    grammar = asyncio.create_task(kind.syntax(subject, tools))
    try:
        await asyncio.sleep(0)  # the grammar's process begins before the thread below takes the interpreter
        # In a thread, since hostile texts take their time and the loop has other requests.
        results = await asyncio.to_thread(read_and_check, kind, subject)
        return [await grammar, *results]
    finally:
        grammar.cancel()


def read_and_check(kind: ArtifactKind, subject: Subject) -> list[ValidatorResult]:
    """The verdicts of all but syntax, which is asked of another process."""
    parsed = kind.read(subject)
    outline = parsed.outline()
    results = [parsed.structure(), check_purity(subject.content, kind.type)]
    if subject.requirements is not None:
        results.append(check_coverage(outline, subject.requirements))
    if not outline.names:
        return results  # where there is nothing, nothing is wrong: that is no merit to be scored
    results += [parsed.references(), parsed.style()]
    if subject.requirements is not None:
        results.append(check_grounding(outline, subject.requirements, subject.context))
    if subject.context is not None:
        results.append(check_consistency(outline, subject.context))
    return results
