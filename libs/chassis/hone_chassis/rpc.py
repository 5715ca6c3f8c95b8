"""Questions between services, answered at once. A failure comes back as a typed body, never as silence."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import nats.errors
from nats.aio.client import Client
from pydantic import BaseModel, ValidationError

from hone_chassis import metrics
from hone_chassis.errors import HandlingError, RemoteError, ServiceUnavailable
from hone_chassis.logs import get_logger
from hone_contracts.errors import ErrorBody, Reply, Request

log = get_logger(__name__)

Q = TypeVar("Q", bound=Request)
A = TypeVar("A", bound=BaseModel)


async def ask(client: Client, subject: str, question: Request, answer: type[A], timeout_s: float = 5.0) -> A:
    """Ask the service that listens on ``subject``.

    Raises RemoteError with the other side's reason, ServiceUnavailable when nobody answers in time.
    """
    try:
        message = await client.request(subject, question.model_dump_json().encode(), timeout=timeout_s)
    except nats.errors.NoRespondersError as error:
        raise ServiceUnavailable(subject, "nobody listens") from error
    except (nats.errors.Error, TimeoutError) as error:
        raise ServiceUnavailable(subject, f"no answer in {timeout_s:g} s") from error
    reply = Reply.model_validate_json(message.data)
    if reply.error is not None:
        raise RemoteError(reply.error)
    return answer.model_validate(reply.answer)


def answering(
    subject: str, question: type[Q], handler: Callable[[Q], Awaitable[BaseModel]]
) -> Callable[[bytes], Awaitable[bytes]]:
    """``handler`` as a function of bytes that never raises."""

    async def answer(body: bytes) -> bytes:
        reply = await _reply(subject, question, handler, body)
        metrics.REQUESTS_ANSWERED.labels(subject, "failed" if reply.error else "done").inc()
        return reply.model_dump_json().encode()

    return answer


async def _reply(
    subject: str, question: type[Q], handler: Callable[[Q], Awaitable[BaseModel]], body: bytes
) -> Reply:
    try:
        answer = await handler(question.model_validate_json(body))
    except ValidationError as error:
        return Reply(
            error=ErrorBody(code="bad_request", title="A bad request", detail=str(error), status=400)
        )
    except HandlingError as error:
        return Reply(error=error.body())
    except Exception as error:
        log.exception("a request failed unexpectedly", subject=subject)
        return Reply(error=ErrorBody(code="internal", title="An unexpected error", detail=repr(error)))
    return Reply(answer=answer.model_dump(mode="json"))
