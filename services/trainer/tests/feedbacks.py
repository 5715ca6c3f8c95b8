"""Feedback as the gateway tells it, for tests of the pool and of runs."""

from typing import Any

from hone_contracts.artifacts import ArtifactType
from hone_contracts.feedback import Answered, Correction, FeedbackRecorded
from hone_contracts.ids import new_id
from hone_contracts.reward import reward

ERD = ArtifactType.MERMAID_ERD


def feedback(
    number: int,
    user: str = "anna",
    *,
    thumb: Any = "up",
    correction: str | None = None,
    correction_score: int = 90,
    score: int = 90,
    artifact_type: ArtifactType = ERD,
    requirements: str | None = None,
    content: str | None = None,
    **more: Any,
) -> FeedbackRecorded:
    """On artifact ``number``, whose requirements are like no other's."""
    artifact_id = f"art_{number}"
    told = (
        None if correction is None else Correction(content=correction, score=correction_score, distance=0.2)
    )
    thumb = None if correction is not None else thumb
    return FeedbackRecorded(
        **{"correlation_id": new_id("job")} | more,
        feedback_id=new_id("fb"),
        artifact_id=artifact_id,
        artifact_type=artifact_type,
        model="llamacpp:hone-starter",
        version=1,
        user=user,
        thumb=thumb,
        correction=told,
        reward=reward(score, thumb, None, 0.2 if correction else None),
        validators_score=score,
        answered=Answered(
            artifact_id=artifact_id,
            artifact_type=artifact_type,
            requirements=requirements or different_text(number),
            content=content or f"erDiagram\n    THING_{number} {{ }}\n",
            score=score,
            model="llamacpp:hone-starter",
            version=1,
        ),
    )


_NOUNS = (
    "harbour",
    "boat",
    "berth",
    "pilot",
    "cargo",
    "crane",
    "tide",
    "ferry",
    "anchor",
    "rope",
    "sail",
    "hull",
)
_VERBS = ("has", "owns", "books", "carries", "meets", "leaves", "holds", "moves", "lifts", "pays")


def different_text(number: int) -> str:
    """No two of them share many word triples."""
    words = []
    seed = number * 2_654_435_761 % 4_294_967_296 + 1
    for place in range(12):
        seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
        those = _NOUNS if place % 2 == 0 else _VERBS
        words.append(f"{those[(seed >> 8) % len(those)]}{number}")
    return f"Each {' '.join(words)}."
