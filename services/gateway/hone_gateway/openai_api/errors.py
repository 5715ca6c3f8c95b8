"""Failures in OpenAI's form: ``{"error": {"message", "type", "param", "code"}}``, with the status its clients expect.

Its clients try 429 and everything from 500 on again, unless told by ``x-should-retry`` that this is in vain.
"""

import math
from collections.abc import Mapping

from pydantic_core import to_json

from hone_chassis import RemoteError
from hone_chassis.errors import HandlingError
from hone_contracts.errors import ErrorBody
from hone_gateway.errors import GatewayError

Header = tuple[bytes, bytes]


class InvalidParameter(GatewayError):
    status, code, title = 400, "invalid_value", "The request does not fit"
    param: str | None

    def __init__(self, param: str | None, detail: str) -> None:
        super().__init__(detail)
        self.param = param


class NotSupported(InvalidParameter):
    code, title = "unsupported_parameter", "This is not supported"


class GeneratorLost(GatewayError):
    """Nobody took the question, or whoever took it fell silent."""

    status, code, title = 503, "generator_unavailable", "The generator does not answer"
    headers: Mapping[str, str] = {"Retry-After": "1"}


class GatewayStopping(GatewayError):
    status, code, title = 503, "stopping", "The gateway is stopping"
    headers: Mapping[str, str] = {"Retry-After": "1"}

    def __init__(self) -> None:
        super().__init__("The gateway is stopping: ask again.")


class ChatFailed(GatewayError):
    """The generator told why there is no answer, or no more of it."""

    title = "The model gave no answer"

    def __init__(self, body: ErrorBody, retry_after_s: float | None) -> None:
        super().__init__(body.detail)
        self.body, self.retry_after_s = body, retry_after_s


_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
# What OpenAI's clients and the programs around them look for.
_CODES = {
    "not_authenticated": "invalid_api_key",
    "context_too_long": "context_length_exceeded",
    "rate_limited": "rate_limit_exceeded",
}


class Told:
    """A failure as it is told: status, headers and body."""

    __slots__ = ("body", "headers", "status")

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
        retry: bool | None = None,
    ) -> None:
        # A 422 is a 400 there, and the only one of ours that its clients do not know.
        self.status = 400 if status == 422 else status
        kind = _TYPES.get(self.status, "api_error" if self.status >= 500 else "invalid_request_error")
        error = {"message": message, "type": kind, "param": param, "code": _CODES.get(code, code)}
        self.body = to_json({"error": error})
        self.headers: list[Header] = [
            (name.lower().encode(), value.encode()) for name, value in (headers or {}).items()
        ]
        if retry is False and (self.status >= 500 or self.status == 429):
            self.headers.append((b"x-should-retry", b"false"))


def told(error: Exception) -> Told | None:
    """None for a bug."""
    if isinstance(error, ChatFailed):
        wait_s = error.retry_after_s
        if wait_s is None and error.body.transient and error.body.status in {429, 503}:
            wait_s = 1.0
        headers = {"Retry-After": f"{max(1, math.ceil(wait_s))}"} if wait_s is not None else None
        return _of_body(error.body, headers)
    if isinstance(error, GatewayError):
        param = error.param if isinstance(error, InvalidParameter) else None
        return Told(error.status, error.code, error.detail, param=param, headers=error.headers)
    if isinstance(error, HandlingError):
        return _of_body(error.body(), {"Retry-After": "1"} if error.status == 503 else None)
    if isinstance(error, RemoteError):
        return _of_body(error.body, {"Retry-After": "1"} if error.body.status == 503 else None)
    return None


def _of_body(body: ErrorBody, headers: dict[str, str] | None) -> Told:
    param = "model" if body.status == 404 else None
    return Told(body.status, body.code, body.detail, param=param, headers=headers, retry=body.transient)
