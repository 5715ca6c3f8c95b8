"""From what people said of an artifact to one example, or to why it is none. Pure.

People who say the same agree; a praise speaks for the answer as it was, a correction against it, and a thumb down
against whatever is no correction. Of different corrections the one that more people made wins, then the newest; the
others tell that the answer was wrong, not that the winner is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from hone_trainer.pool.tables import State
from hone_trainer.pool.weights import agreement


@dataclass(frozen=True)
class Rules:
    """Of the loop's policy, what decides whether an example is good."""

    good_score: int
    correction_score: int
    disagreement: float


@dataclass(frozen=True)
class Said:
    """One person's verdict."""

    user: str
    feedback_id: str
    opinion: float | None
    reward: float
    correction: str | None
    correction_score: int | None
    said_at: datetime


@dataclass(frozen=True)
class Folded:
    """What the verdicts make of an artifact. ``state`` is ``new`` for a good example."""

    state: State
    content: str
    corrected: bool
    score: int
    reward: float
    agreement: float
    people: int
    contributor: str
    origin: str

    @property
    def good(self) -> bool:
        return self.state == "new"


def giver(user: str) -> str:
    """Whose examples they count as: a key's, whoever is behind it. Its holder may name whom they like."""
    return user.partition("/")[0]


def fold(said: Sequence[Said], answer: str, score: int, rules: Rules) -> Folded:
    """``answer`` as the model gave it, with the validators' ``score``. ``said`` must not be empty."""
    corrections = [each for each in said if _corrects(each, answer, rules)]
    praises = [each for each in said if each not in corrections and _opinion(each, answer) > 0]
    if corrections:
        return _corrected(_winning(corrections), len(corrections), len(praises), rules)
    against = sum(1 for each in said if _opinion(each, answer) < 0)
    state: State = "new" if score >= rules.good_score else "weak"
    if not praises:
        state = "unpraised"
    elif _too_many(against, len(praises), rules):
        state = "disputed"
    return _folded(
        state, praises or list(said), answer, score, against, corrected=False, vouching=bool(praises)
    )


def key_of(requirements: str, content: str) -> str:
    return sha256(f"{len(requirements)}\n{requirements}\n{content.strip()}".encode()).hexdigest()


def _corrects(said: Said, answer: str, rules: Rules) -> bool:
    """A correction that changes nothing is a praise; one that scores too low says no more than a thumb."""
    return (
        said.correction is not None
        and said.correction.strip() != answer.strip()
        and (said.correction_score or 0) >= rules.correction_score
    )


def _opinion(said: Said, answer: str) -> float:
    """Of the answer. Whoever changed something did not praise it, even where the correction itself is no good."""
    if said.correction is not None:
        return 1.0 if said.correction.strip() == answer.strip() else -1.0
    return said.opinion or 0.0


def _winning(corrections: Sequence[Said]) -> list[Said]:
    alike: dict[str, list[Said]] = {}
    for each in corrections:
        alike.setdefault((each.correction or "").strip(), []).append(each)
    return max(alike.values(), key=lambda them: (len(them), max((e.said_at, e.feedback_id) for e in them)))


def _corrected(winners: list[Said], corrections: int, praises: int, rules: Rules) -> Folded:
    newest = max(winners, key=lambda each: (each.said_at, each.feedback_id))
    state: State = "disputed" if _too_many(praises, corrections, rules) else "new"
    opposing = corrections - len(winners) + praises
    content, score = newest.correction or "", newest.correction_score or 0
    return _folded(state, winners, content, score, opposing, corrected=True, vouching=True)


def _too_many(against: int, supporting: int, rules: Rules) -> bool:
    return against > 0 and against / (against + supporting) >= rules.disagreement


def _folded(
    state: State,
    voices: list[Said],
    content: str,
    score: int,
    opposing: int,
    *,
    corrected: bool,
    vouching: bool,
) -> Folded:
    users = {each.user for each in voices}
    givers = {giver(each.user) for each in voices}
    first = min(voices, key=lambda each: (each.said_at, each.feedback_id))
    return Folded(
        state=state,
        content=content,
        corrected=corrected,
        score=score,
        reward=sum(each.reward for each in voices) / len(voices),
        agreement=agreement(len(users) if vouching else 0, opposing),
        people=len(users),
        contributor=giver(first.user) if len(givers) == 1 else "",
        origin=first.feedback_id,
    )
