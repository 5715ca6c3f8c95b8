"""Asking the other services, whose errors become the trainer's own: to be tried again, or the end of a run."""

from collections.abc import Callable
from typing import TypeVar

from nats.aio.client import Client
from pydantic import BaseModel

from hone_chassis import Permanent, RemoteError, Transient, rpc
from hone_contracts.errors import Request

A = TypeVar("A", bound=BaseModel)


class Asking:
    """``client`` gives the connection, which is there once the service runs."""

    def __init__(self, client: Callable[[], Client], timeout_s: float) -> None:
        self._client, self._timeout_s = client, timeout_s

    async def __call__(self, question: Request, answer: type[A]) -> A:
        """Raises Transient or Permanent with the other side's reason; ServiceUnavailable."""
        subject = str(question.subject)  # type: ignore[attr-defined]  # every question that is asked has one
        try:
            return await rpc.ask(self._client(), subject, question, answer, self._timeout_s)
        except RemoteError as error:
            body = error.body
            kind = Transient if body.transient else Permanent
            raise kind(body.code, body.title, body.detail, body.status, body.fields) from error
