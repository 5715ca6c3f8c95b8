"""Asking the other services, whose errors become the trainer's own: to be tried again, or the end of a run."""

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import TypeVar

from nats.aio.client import Client
from pydantic import BaseModel

from hone_chassis import Permanent, RemoteError, ServiceUnavailable, Transient, rpc
from hone_contracts.errors import Request

A = TypeVar("A", bound=BaseModel)


_ASK_AGAIN_S = 1.0


class Asking:
    """``client`` gives the connection, which is there once the service runs. A service may be away for ``away_s``
    before that is an error: one that is started anew comes back, and long work is not given up for it."""

    def __init__(self, client: Callable[[], Client], timeout_s: float, away_s: float = 0.0) -> None:
        self._client, self._timeout_s, self._away_s = client, timeout_s, away_s

    async def __call__(self, question: Request, answer: type[A]) -> A:
        """Raises Transient or Permanent with the other side's reason; ServiceUnavailable."""
        until = monotonic() + self._away_s
        while True:
            try:
                return await self._once(question, answer)
            except ServiceUnavailable:
                if monotonic() >= until:
                    raise
            await asyncio.sleep(_ASK_AGAIN_S)

    async def _once(self, question: Request, answer: type[A]) -> A:
        subject = str(question.subject)  # type: ignore[attr-defined]  # every question that is asked has one
        try:
            return await rpc.ask(self._client(), subject, question, answer, self._timeout_s)
        except RemoteError as error:
            body = error.body
            kind = Transient if body.transient else Permanent
            raise kind(body.code, body.title, body.detail, body.status, body.fields) from error
