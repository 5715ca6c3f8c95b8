"""What a person's feedback on an answer is worth: one number in [-1, 1], for datasets, live figures and KTO.

    reward = w·verdict + (1 - w)·quality

``quality`` is the validators' score, spread over [-1, 1] with its zero where answers stop being useful. ``verdict``
is the person's: a score spread in the same way, a thumb, or what a correction left standing (an answer that came
back unchanged was right, one of which nothing was kept was wrong). Why so:

- People outweigh validators (w = 0.7): validators know form and coverage, people know whether it is right.
- Validators still count: a careless thumb on a broken diagram must not make it a model to learn from.
- A correction says more than a thumb that comes with it, and is believed alone: somebody did the work.
- Without any verdict (a comment alone) there is only quality, at its own weight: nobody vouched for it.
"""

from typing import Final, Literal

Thumb = Literal["up", "down"]

PERSON_WEIGHT: Final = 0.7
NEUTRAL_SCORE: Final = 60
"""The default threshold of routes: below it an answer is not accepted."""


def spread(score: float) -> float:
    """A score of 0..100 on [-1, 1], with 0 at ``NEUTRAL_SCORE``."""
    above = score - NEUTRAL_SCORE
    return above / (100 - NEUTRAL_SCORE) if above >= 0 else above / NEUTRAL_SCORE


def verdict(thumb: Thumb | None, score: int | None, distance: float | None) -> float | None:
    """The person's word on [-1, 1]; None without one. ``distance`` of the correction: 0 nothing changed, 1 all."""
    if distance is not None:
        return 1.0 - 2.0 * distance
    if score is not None:
        return spread(score)
    if thumb is not None:
        return 1.0 if thumb == "up" else -1.0
    return None


def reward(
    validators_score: int, thumb: Thumb | None = None, score: int | None = None, distance: float | None = None
) -> float:
    """``validators_score`` and ``score`` in 0..100, ``distance`` in 0..1; the result in [-1, 1]."""
    person = verdict(thumb, score, distance)
    quality = spread(validators_score)
    weight = PERSON_WEIGHT if person is not None else 0.0
    whole = weight * (person or 0.0) + (1.0 - PERSON_WEIGHT) * quality
    return max(-1.0, min(1.0, whole))
