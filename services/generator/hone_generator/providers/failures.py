"""What it means when a server says no: one reading of statuses, of error documents and of how long it wants to rest.

Sources: https://platform.openai.com/docs/guides/error-codes, https://platform.claude.com/docs/en/api/errors,
https://ai.google.dev/gemini-api/docs/troubleshooting, https://cloud.google.com/apis/design/errors
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from email.utils import parsedate_to_datetime

from hone_generator.providers.errors import (
    BadProviderAnswer,
    ContextTooLong,
    ModelNotFound,
    NotAuthorised,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRefused,
)

_LONGEST_WAIT_S = 86_400.0
_DURATION = re.compile(
    r"(?:(\d{1,6})h)?(?:(\d{1,6})m(?!s))?(?:(\d{1,9}(?:\.\d{1,9})?)s)?(?:(\d{1,9}(?:\.\d{1,9})?)ms)?"
)
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|maximum context length|prompt is too long|context window"
    r"|exceeds? the (available context size|maximum number of tokens)|input length and .?max_tokens.? exceed"
    r"|available context size|request_too_large|context length|exceed context limit",
    re.IGNORECASE,
)
_PAIRS = (  # what the prompt has, and what the model takes
    re.compile(r"(?P<has>\d{1,9}) tokens > (?P<takes>\d{1,9}) maximum"),
    re.compile(r"token count \((?P<has>\d{1,9})\).{0,80}\((?P<takes>\d{1,9})\)"),
    re.compile(
        r"(?:context length is|limit of) (?P<takes>\d{1,9}) tokens?\b.{0,80}?"
        r"(?:resulted in|requested) (?P<has>\d{1,9}) tokens"
    ),
)
_TOGETHER = (  # what the prompt has, and what the model takes of prompt and answer together
    re.compile(
        r"maximum context length is (?P<takes>\d{1,9}) tokens.{0,60}requested \d{1,9} tokens"
        r" \((?P<has>\d{1,9}) in the (?:messages|prompt)"
    ),
    re.compile(
        r"maximum context length is (?P<takes>\d{1,9}) tokens and your (?:request|prompt) has (?P<has>\d{1,9})"
    ),
    re.compile(r"context limit: (?P<has>\d{1,9}) \+ \d{1,9} > (?P<takes>\d{1,9})"),
)
_LEAST_ROOM_TOKENS = 64
_KEY_REFUSED = re.compile(
    r"API_KEY_INVALID|invalid_api_key|authentication_error|api key not valid|unregistered callers",
    re.IGNORECASE,
)
_NO_CREDIT = re.compile(
    r"insufficient_quota|credit balance is too low|billing_error|insufficient balance", re.IGNORECASE
)
_OVERLOADED = 529  # Anthropic's own
_NOT_IMPLEMENTED = 501  # as llama-server answers for what it was not started with


class AnswerTooRoomy(RequestRefused):
    """The prompt fits the model's context, and leaves the answer ``room_tokens``, less than was asked for."""

    def __init__(self, model: str, room_tokens: int) -> None:
        super().__init__(model, f"its context has room for an answer of {room_tokens} tokens, and no more")
        self.room_tokens = room_tokens


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a server said instead of an answer. ``code`` is its own word for it, ``message`` is for people."""

    status: int
    code: str = ""
    message: str = ""
    retry_after_s: float | None = None
    prompt_tokens: int | None = None
    context_tokens: int | None = None

    @property
    def text(self) -> str:
        return f"{self.code} {self.message}"


@dataclass(frozen=True, slots=True)
class Addressee:
    """Who is asked: ``model`` is what errors call it, ``key_name`` where its key is set, ``models`` what there is as
    far as that was seen."""

    provider: str
    model: str
    key_name: str
    models: tuple[str, ...] = ()

    def known(self) -> tuple[str, ...]:
        """The models that one who named this one may have meant come first."""
        name = self.model.partition(":")[2]
        near = get_close_matches(name, self.models, n=5, cutoff=0.5)
        return (*near, *(each for each in self.models if each not in near))


def error_of(asked: Addressee, refusal: Refusal) -> ProviderError:
    """The error that a refusal is."""
    said = refusal.message or f"it answered {refusal.status}"
    return (
        _of_the_key(asked, refusal, said)
        or _of_the_request(asked, refusal, said)
        or _of_the_server(asked, refusal, said)
    )


def _of_the_key(asked: Addressee, refusal: Refusal, said: str) -> ProviderError | None:
    if _NO_CREDIT.search(refusal.text) or refusal.status == 402:
        return NotAuthorised(asked.provider, asked.key_name, "the credit or quota of its key is used up")
    if refusal.status == 401 or _KEY_REFUSED.search(refusal.text):
        # What it says may quote a part of the key.
        return NotAuthorised(asked.provider, asked.key_name, "it does not take the key")
    if refusal.status == 403:
        return NotAuthorised(asked.provider, asked.key_name, f"it does not allow this ({said})")
    return None


def _of_the_request(asked: Addressee, refusal: Refusal, said: str) -> ProviderError | None:
    status = refusal.status
    if (not 400 <= status < 500 and status != _NOT_IMPLEMENTED) or status in {408, 429}:
        return None
    if status == 413 or _TOO_LONG.search(refusal.text):
        return _too_long(asked, refusal)
    if status == 404:
        return ModelNotFound(asked.model, asked.known(), f"{asked.provider} says: {said}")
    return RequestRefused(asked.model, said)


def _of_the_server(asked: Addressee, refusal: Refusal, said: str) -> ProviderError:
    status = refusal.status
    if status in {429, _OVERLOADED} or (status == 503 and refusal.retry_after_s is not None):
        return RateLimited(asked.provider, refusal.retry_after_s, said)
    if status >= 400:
        return ProviderUnavailable(asked.provider, said)
    return BadProviderAnswer(asked.provider, f"it answered {status}, which is neither an answer nor an error")


def _too_long(asked: Addressee, refusal: Refusal) -> ProviderError:
    """With the server's own counts, as far as it tells them. It may be that the prompt alone would fit."""
    for pattern in _TOGETHER:
        if found := pattern.search(refusal.message):
            has, takes = int(found["has"]), int(found["takes"])
            if takes - has >= _LEAST_ROOM_TOKENS:
                return AnswerTooRoomy(asked.model, takes - has)
            return ContextTooLong(asked.model, has, takes)
    has, takes = refusal.prompt_tokens or 0, refusal.context_tokens or 0
    for pattern in _PAIRS:
        if found := pattern.search(refusal.message):
            has, takes = has or int(found["has"]), takes or int(found["takes"])
    return ContextTooLong(asked.model, has, takes)


def retry_after_s(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """How long the server wants to be left alone, in seconds; ``headers`` have names in lower case."""
    if (exact_ms := _number(headers.get("retry-after-ms", ""))) is not None:
        return _bounded(exact_ms / 1000)
    if "retry-after" in headers:
        return _seconds_or_date(headers["retry-after"], now or datetime.now(UTC))
    resets = {
        kind: wait_s
        for kind in ("requests", "tokens")
        if (wait_s := duration_s(headers.get(f"x-ratelimit-reset-{kind}", ""))) is not None
    }
    used_up = [wait for kind, wait in resets.items() if headers.get(f"x-ratelimit-remaining-{kind}") == "0"]
    waits = used_up or list(resets.values())
    return max(waits) if waits else None


def duration_s(text: str) -> float | None:
    """``6m0s``, ``1.5s``, ``120ms``; also ``34.07s`` of Google's RetryInfo."""
    found = _DURATION.fullmatch(text.strip())
    if found is None or not text.strip():
        return None
    hours, minutes, seconds, milliseconds = (float(part) if part else 0.0 for part in found.groups())
    return _bounded(hours * 3600 + minutes * 60 + seconds + milliseconds / 1000)


def _seconds_or_date(text: str, now: datetime) -> float | None:
    if (seconds := _number(text)) is not None:
        return _bounded(seconds)
    try:
        then = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    then = then if then.tzinfo is not None else then.replace(tzinfo=UTC)
    return _bounded((then - now).total_seconds())


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), _LONGEST_WAIT_S)


def one_line(value: object) -> str:
    """What a server says, fit for a line of a log."""
    return " ".join(str(value).split())[:500]
