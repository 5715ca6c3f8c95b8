"""What a command can end with. The text is the one line that a person sees, and says what to do next."""

from __future__ import annotations

from typing import Any

FAILED, USAGE, NOT_FOUND, NOT_AUTHORISED, UNAVAILABLE, INTERRUPTED = 1, 2, 3, 4, 5, 130


class CliError(Exception):
    exit_code = FAILED


class Failed(CliError):
    """It was tried, and did not work out."""


class WrongInput(CliError):
    """What the user typed, or the file they named, is not what is wanted."""

    exit_code = USAGE


class NotText(WrongInput):
    """Bytes of the command line that are no UTF-8: Python carries them, JSON cannot."""

    def __init__(self) -> None:
        super().__init__(
            "an argument is not UTF-8 text; convert it first, or name a file of UTF-8 text with -f"
        )


class Unavailable(CliError):
    """The server cannot be reached, or does not do this now."""

    exit_code = UNAVAILABLE


class BrokenOff(Unavailable):
    """The connection failed or ended early; trying again may help."""


class BadAnswer(Unavailable):
    """The server answers, but not as Hone does."""

    def __init__(self, what: str) -> None:
        super().__init__(f"the server's answer {what}; is HONE_URL the address of a Hone gateway?")


class Refused(CliError):
    """The server's problem document (RFC 9457), or what its status alone says; ``problem`` is the whole of it."""

    def __init__(self, status: int, message: str, problem: dict[str, Any] | None = None) -> None:
        self.status, self.problem = status, problem or {}
        self.exit_code = exit_code_of(status)
        super().__init__(message)


class NotNow(Refused):
    """502, 503, 504: the same question may be answered in a moment."""


class Interrupted(CliError):
    exit_code = INTERRUPTED


def exit_code_of(status: int) -> int:
    """The exit code that an HTTP status of 400 and above means."""
    if status in (401, 403):
        return NOT_AUTHORISED
    if status in (404, 410):
        return NOT_FOUND
    if status in (400, 413, 414, 415, 422):
        return USAGE
    if status == 429 or status >= 500:
        return UNAVAILABLE
    return FAILED
