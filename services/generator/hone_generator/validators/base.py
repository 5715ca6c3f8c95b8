"""What validators have in common: a result is the contract's, so it travels as it is."""

from collections.abc import Iterable

from hone_contracts.artifacts import ValidatorResult

__all__ = ["MAX_MESSAGES", "ValidatorResult", "result"]

# A model that is asked to mend more than this at once mends none of it well.
MAX_MESSAGES = 40


def result(name: str, score: float, messages: Iterable[str] = (), *, passed: bool) -> ValidatorResult:
    """A result with its score rounded into 0..100 and no more messages than can be acted on."""
    said = list(dict.fromkeys(messages))
    if len(said) > MAX_MESSAGES:
        said = [*said[: MAX_MESSAGES - 1], f"… and {len(said) - MAX_MESSAGES + 1} more"]
    return ValidatorResult(
        name=name, score=max(0, min(100, round(score))), passed=passed, messages=tuple(said)
    )
