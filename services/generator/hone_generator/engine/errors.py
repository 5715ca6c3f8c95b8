"""Why the engine has no answer, and what it stops a model for."""

from collections import Counter
from collections.abc import Sequence

from hone_contracts.artifacts import Attempt
from hone_contracts.errors import ErrorBody
from hone_generator.providers.errors import ProviderError

_MOST_CHARS = 1200  # of the line that lists what was tried
_STATUS = {"deadline": 504, "cloud_not_allowed": 403, "no_provider": 422, "reading_not_possible": 422}


class EngineError(Exception):
    """The engine could not do what it was asked. ``code`` is for programs and metrics."""

    code = "engine"


class OverBudget(EngineError):
    """One more question would not fit the request's budget of tokens or money."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class NoAnswer(EngineError):
    """Every model of the route was tried or skipped, and none gave any answer. ``retry_after_s``: when the first of
    those that want to be left alone may be asked again."""

    code = "no_answer"

    def __init__(self, attempts: Sequence[Attempt], retry_after_s: float | None = None) -> None:
        super().__init__(listed(attempts))
        self.attempts = tuple(attempts)
        self.retry_after_s = retry_after_s

    def body(self) -> ErrorBody:
        """``code`` is the attempts' own where they all met the same."""
        codes = {each.error_code for each in self.attempts if each.error_code}
        code = codes.pop() if len(codes) == 1 else self.code
        return ErrorBody(
            code=code, title="No model gave an answer", detail=str(self), status=_STATUS.get(code, 502)
        )


def listed(attempts: Sequence[Attempt]) -> str:
    """One line: each model, how often it was tried, and what it met last."""
    if not attempts:
        return (
            "the route names no model: `hone routes show` lists them, `hone routes apply FILE.yaml` sets them"
        )
    tried = Counter(each.model for each in attempts)
    last = {each.model: each.error or "no answer" for each in attempts}
    lines = [f"{model}{_times(tried[model])}: {error}" for model, error in last.items()]
    line = " ".join("; ".join(lines).split())
    return line if len(line) <= _MOST_CHARS else f"{line[: _MOST_CHARS - 1]}…"


def _times(count: int) -> str:
    return f" ({count} times)" if count > 1 else ""


class AnswerTooLong(ProviderError):
    """The model was stopped: it wrote far past what it was allowed."""

    code = "answer_too_long"

    def __init__(self, model: str, limit_chars: int) -> None:
        super().__init__(f"{model} was stopped after {limit_chars} characters: it did not come to an end")
        self.model = model
        self.limit_chars = limit_chars


class AnswerUnusable(ProviderError):
    """What was made of the answer cannot be written down."""

    code = "answer_unusable"

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(f"the answer of {model} cannot be kept: {reason}; another model may answer")
        self.model = model


class AnswerFiltered(ProviderError):
    """The provider's own filter ended the answer."""

    code = "filtered"

    def __init__(self, model: str) -> None:
        super().__init__(f"{model} was ended by its provider's content filter; another model may answer")
        self.model = model


class DeadlinePassed(ProviderError):
    """The request's time was over before the model had answered."""

    code = "deadline"

    def __init__(self, model: str, deadline_s: float) -> None:
        super().__init__(
            f"{model} was stopped: the request's {deadline_s:g} s were over; allow it a longer deadline"
        )
        self.model = model
