"""A correction is judged like an answer before it is kept."""

from dataclasses import dataclass

from hone_chassis import Service
from hone_contracts.errors import Request
from hone_contracts.feedback import Correction
from hone_contracts.streams import MAX_MESSAGE_BYTES
from hone_contracts.teaching import CompareArtifacts, Comparison
from hone_contracts.validation import ValidateArtifact, Validation
from hone_gateway.asking import ask
from hone_gateway.errors import CorrectionRefused, CorrectionTooLarge, NoSuchArtifact
from hone_gateway.feedback.asked import Asked, find
from hone_gateway.validation import LIMIT_S

_GATE = "syntax"
_ROOM_BYTES = 4096  # beside a question, for what NATS adds


@dataclass(frozen=True)
class CorrectionDesk:
    """Asks the generator; nothing is held meanwhile."""

    service: Service

    async def judge(self, tenant: str, artifact_id: str, content: str) -> Correction | None:
        """None when it is the answer unchanged.

        Raises NoSuchArtifact, CorrectionRefused, CorrectionTooLarge, and what ``ask`` raises.
        """
        async with self.service.database.read() as session:
            asked = (await find(session, [artifact_id])).get(artifact_id)
        if asked is None or asked.tenant != tenant:
            raise NoSuchArtifact(artifact_id)
        answer = asked.content
        if _same(answer, content):
            return None
        judged = await ask(self.service, _question(asked, content), Validation, timeout_s=LIMIT_S)
        refusing = [each for each in judged.validators if each.name == _GATE and not each.passed]
        if refusing:
            raise CorrectionRefused(asked.type, refusing[0].messages)
        comparing = CompareArtifacts(
            tenant=tenant,
            artifact_type=asked.type,
            content=answer,
            reference=content,
            options=dict(asked.options or {}),
        )
        if not _fits(comparing):
            raise CorrectionTooLarge
        compared = await ask(self.service, comparing, Comparison, timeout_s=LIMIT_S)
        return Correction(content=content, score=judged.score, distance=compared.distance)


def _same(answer: str, content: str) -> bool:
    """But for blanks at the ends of lines and of the text, which editors add and take."""
    return _trimmed(answer) == _trimmed(content)


def _trimmed(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


def _question(asked: Asked, content: str) -> ValidateArtifact:
    """With as much of what was asked as goes into a message. What is left out is too long to be learned from, too, so
    that only the gate matters. Raises CorrectionTooLarge."""
    whole = ValidateArtifact(
        tenant=asked.tenant,
        artifact_type=asked.type,
        content=content,
        requirements=asked.requirements,
        context_text=asked.context_text,
        options=dict(asked.options or {}),
    )
    for without in ({}, {"context_text": None}, {"context_text": None, "requirements": None}):
        question = whole.model_copy(update=without)
        if _fits(question):
            return question
    raise CorrectionTooLarge


def _fits(question: Request) -> bool:
    return len(question.model_dump_json().encode()) <= MAX_MESSAGE_BYTES - _ROOM_BYTES
