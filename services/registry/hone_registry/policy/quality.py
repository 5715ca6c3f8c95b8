"""What an answer is worth, between 0 and 1."""

import math

from hone_contracts.evaluation import AnswerFigures, PairFigures


def qualities(pair: PairFigures, agreement_weight: float) -> tuple[float, float]:
    """Of the champion's and the challenger's answer to one prompt: the validators' score, blended with the agreement
    with what a person made of it. No answer is worth 0.

    Agreement counts with corrections alone: an answer that was called good is the champion's own more often than not,
    and a different one may be as good.
    """
    theirs, ours = agreement(pair.champion), agreement(pair.challenger)
    comparable = pair.corrected and all(
        known is not None or not answered(side)
        for known, side in ((theirs, pair.champion), (ours, pair.challenger))
    )
    weight = agreement_weight if comparable else 0.0
    return _quality(pair.champion, theirs, weight), _quality(pair.challenger, ours, weight)


def answered(answer: AnswerFigures) -> bool:
    return answer.score is not None and answer.error is None


def agreement(answer: AnswerFigures) -> float | None:
    """With the reference, over all elements and over relations alone: models get names right and relations wrong."""
    both = answer.overall_f1, answer.relations_f1
    parts = [each for each in both if each is not None and is_share(each)]
    return sum(parts) / len(parts) if parts else None


def is_share(value: float | None) -> bool:
    """Whether it is a number from 0 to 1: what is reported may be missing, or not a number."""
    return value is not None and math.isfinite(value) and 0.0 <= value <= 1.0


def _quality(answer: AnswerFigures, agreed: float | None, weight: float) -> float:
    if answer.score is None or answer.error is not None:
        return 0.0
    score = min(100, max(0, answer.score)) / 100
    return score if agreed is None else (1 - weight) * score + weight * agreed
