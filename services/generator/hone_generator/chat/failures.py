"""Why a chat has no answer, as its caller is told."""

from typing import Final

from hone_chassis.errors import HandlingError
from hone_contracts.chat import ChatFrame
from hone_contracts.errors import ErrorBody
from hone_generator.engine.errors import EngineError, NoAnswer
from hone_generator.providers.errors import ProviderError, RateLimited


class ChatError(Exception):
    """A chat ended before its answer did, by no provider's fault."""

    status, code = 500, "chat"
    transient = False


class AnswerTooLong(ChatError):
    status, code = 502, "answer_too_long"

    def __init__(self, model: str, limit_chars: int) -> None:
        super().__init__(f"{model} wrote more than {limit_chars} characters and was stopped; set max_tokens")


class ReaderStalled(ChatError):
    status, code = 408, "reader_stalled"

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"Nothing of the answer was read for {limit_s:g} s, and the model was stopped.")


class TooBusy(ChatError):
    status, code, transient = 503, "busy", True

    def __init__(self, limit: int) -> None:
        super().__init__(f"The generator is answering {limit} chats and takes no more for now: try again.")


class Stopping(ChatError):
    status, code, transient = 503, "stopping", True

    def __init__(self) -> None:
        super().__init__("The generator is stopping: ask again.")


# A provider that does not take *our* key is no fault of the caller's: never a 401.
_STATUS: Final = {
    "model_not_found": 404,
    "context_too_long": 400,
    "refused": 400,
    "rate_limited": 429,
    "circuit_open": 503,
    "timeout": 504,
    "deadline": 504,
}


def status_of(code: str) -> int:
    """The HTTP status of a provider's failure."""
    return _STATUS.get(code, 502)


def frame_of(error: Exception) -> ChatFrame | None:
    """The frame that tells it; None for a bug."""
    if isinstance(error, ProviderError):
        wait_s = error.retry_after_s if isinstance(error, RateLimited) else None
        return _frame(error.code, str(error), status_of(error.code), error.transient, wait_s)
    if isinstance(error, NoAnswer):
        body = error.body()
        codes = {each.error_code for each in error.attempts}
        # A model that asked for patience often enough is left alone: to the caller that is the same.
        patience = "rate_limited" in codes and codes <= {"rate_limited", "circuit_open"}
        code = "rate_limited" if patience else body.code
        status = _STATUS.get(code, body.status)
        return _frame(code, body.detail, status, status in {429, 502, 503, 504}, error.retry_after_s)
    if isinstance(error, EngineError):
        return _frame(error.code, str(error), 422, False)
    if isinstance(error, HandlingError):
        return ChatFrame(kind="error", error=error.body())
    if isinstance(error, ChatError):
        return _frame(error.code, str(error), error.status, error.transient)
    return None


def _frame(
    code: str, detail: str, status: int, transient: bool, retry_after_s: float | None = None
) -> ChatFrame:
    body = ErrorBody(code=code, title="No answer", detail=detail, status=status, transient=transient)
    return ChatFrame(kind="error", error=body, retry_after_s=retry_after_s)
