"""Whether feedback makes an example to learn from, and if not, why. The trainer's pool decides by the same policy."""

from hone_chassis.loop_policy import LoopPolicy
from hone_contracts.reward import verdict
from hone_gateway.feedback.words import Word

NOT_KEPT = "what this artifact was asked from is not kept: it was made before Hone kept that"
TOO_LONG = "its texts are too long to travel to the pool; the verdict counts all the same"


def why_not(word: Word, validators_score: int, policy: LoopPolicy) -> str | None:
    """None when it is an example."""
    if word.correction is not None:
        if word.correction.score >= policy.correction_score:
            return None
        return (
            f"the correction scores {word.correction.score} of 100 with the validators; from "
            f"{policy.correction_score} on it is an example"
        )
    said = verdict(word.thumb, word.score, None)
    if said is None:
        return "a comment alone is no verdict: add a thumb, a score or a correction"
    if said <= 0:
        return (
            "it is no praise: it counts against the version that answered; a correction would be learned from"
        )
    if validators_score < policy.good_score:
        return (
            f"the answer scores {validators_score} of 100 with the validators; praised answers are examples from "
            f"{policy.good_score} on, corrections from {policy.correction_score}"
        )
    return None
