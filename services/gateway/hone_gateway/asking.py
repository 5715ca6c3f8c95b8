"""Asking other services over the bus, on behalf of a request."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from pydantic import BaseModel

from hone_chassis import Service, rpc
from hone_chassis.broker import BROKER_TROUBLE
from hone_chassis.errors import BrokerUnavailable
from hone_contracts.errors import Request
from hone_gateway.errors import Starting

A = TypeVar("A", bound=BaseModel)


async def ask(
    service: Service,
    question: Request,
    answer: type[A],
    subject: str | None = None,
    *,
    timeout_s: float = 5.0,
) -> A:
    """Raises Starting, RemoteError, ServiceUnavailable, BrokerUnavailable."""
    if not service.health.started:
        raise Starting
    with broker_trouble_told():
        asked = subject or str(question.subject)  # type: ignore[attr-defined]
        return await rpc.ask(service.running.client, asked, question, answer, timeout_s)


@contextmanager
def broker_trouble_told() -> Iterator[None]:
    try:
        yield
    except BROKER_TROUBLE as error:
        raise BrokerUnavailable(repr(error)) from error
