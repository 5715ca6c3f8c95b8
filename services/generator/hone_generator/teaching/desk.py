"""Answers the trainer's questions: what examples look like to a model, and how near artifacts are to each other.

Reading texts of strangers may take a second each, so it is done in a thread, for one question at a time.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from hone_chassis.errors import Permanent
from hone_contracts.artifacts import ArtifactType
from hone_contracts.streams import MAX_MESSAGE_BYTES
from hone_contracts.teaching import (
    CompareArtifacts,
    Comparison,
    RenderedExample,
    RenderedExamples,
    RenderExamples,
)
from hone_generator.artifacts.held import MOST_ANSWER_CHARS
from hone_generator.artifacts.kind import ArtifactKind
from hone_generator.artifacts.options import BadOption, check_names
from hone_generator.teaching.agreement import agreement, distance_of
from hone_generator.teaching.rendering import rendered

_MOST_REPLY_BYTES = MAX_MESSAGE_BYTES * 3 // 4  # beside the envelope, and what escaping adds
_LONGEST_S = 20.0  # a hundred texts of people take one or two; the trainer waits half a minute
_FULL = RenderedExample(reason="the answer to this question is full: ask about fewer examples at once")
_LATE = RenderedExample(reason="the examples before this one took too long: ask about fewer at once")


@dataclass(frozen=True)
class TeachingDesk:
    """Reads artifacts, and never runs them."""

    kinds: Mapping[ArtifactType, ArtifactKind]
    _busy: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def render(self, question: RenderExamples) -> RenderedExamples:
        """Each example by itself: one that cannot be taught has a reason."""
        kind = self._kind(question.artifact_type)
        async with self._busy:
            return await asyncio.to_thread(lambda: asyncio.run(_rendered(kind, question)))

    async def compare(self, question: CompareArtifacts) -> Comparison:
        kind = self._kind(question.artifact_type)
        longest = max(len(question.content), len(question.reference))
        if longest > MOST_ANSWER_CHARS:
            detail = f"an artifact has {longest} characters, {MOST_ANSWER_CHARS} are compared"
            raise Permanent("too_long", "Artifact too long", detail, 413)
        try:
            check_names(kind, question.options)
            async with self._busy:
                return await asyncio.to_thread(_compared, kind, question)
        except BadOption as error:
            raise Permanent("bad_option", "An option that there is not", str(error), 422) from error

    def _kind(self, wanted: ArtifactType) -> ArtifactKind:
        kind = self.kinds.get(wanted)
        if kind is None:
            raise Permanent("unknown_type", "Unknown artifact type", f"{wanted} is not made here", 422)
        return kind


async def _rendered(kind: ArtifactKind, question: RenderExamples) -> RenderedExamples:
    found: list[RenderedExample] = []
    room, until = _MOST_REPLY_BYTES, time.monotonic() + _LONGEST_S
    for example in question.examples:
        if time.monotonic() > until:
            found.append(_LATE)
            continue
        one = await rendered(kind, example, question.reading)
        size = len(one.model_dump_json().encode())
        if size > room:
            one = _FULL
        else:
            room -= size
        found.append(one)
    return RenderedExamples(examples=tuple(found))


def _compared(kind: ArtifactKind, question: CompareArtifacts) -> Comparison:
    found = agreement(kind, question.content, question.reference, question.options)
    return Comparison(
        types_f1=found.types,
        members_f1=found.members,
        relations_f1=found.relations,
        overall_f1=found.overall,
        distance=distance_of(found, question.content, question.reference),
    )
