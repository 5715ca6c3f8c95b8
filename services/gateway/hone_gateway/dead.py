"""Dead letters over HTTP: read them, send them again."""

from contextlib import suppress
from typing import Annotated
from uuid import UUID

import nats.js.errors
from fastapi import APIRouter, Path, Query, Request
from pydantic import ValidationError
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import JSONResponse, Response

from hone_chassis import Service, dead_letters
from hone_chassis.broker import BROKER_TROUBLE
from hone_chassis.dead_letters import Cemetery, DeadLetter
from hone_chassis.logs import get_logger
from hone_chassis.tables import utc_now
from hone_contracts.catalog import BY_SUBJECT
from hone_contracts.ids import new_id, uuid7
from hone_contracts.messages import Command
from hone_gateway.asking import broker_trouble_told
from hone_gateway.errors import NoSuchDeadLetter, NotResendable, Starting
from hone_gateway.http.authentication import principal
from hone_gateway.http.idempotency import Answer, once
from hone_gateway.jobs.book import KINDS, JobBook
from hone_gateway.jobs.endpoints import accepted

log = get_logger(__name__)

_LAST_SEQUENCE = 2**64 - 1  # what a stream can count to; NATS calls a larger number a bad request


def router(service: Service, book: JobBook) -> APIRouter:
    routes = APIRouter(tags=["dead letters"])

    @routes.get("/api/dead")
    async def newest(request: Request, limit: Annotated[int, Query(ge=1, le=200)] = 50) -> Response:
        """What could not be done, newest first, with the reasons."""
        with broker_trouble_told():
            letters = await _cemetery(service).newest(limit, principal(request).tenant)
        return JSONResponse({"dead": [letter.model_dump(mode="json") for letter in letters]})

    @routes.post("/api/dead/{number}/retry", status_code=202)
    async def retry(number: Annotated[int, Path(ge=1)], request: Request) -> Response:
        """Do it again, as a new job: the one that died has ended. Sent again twice, it is one job."""
        cemetery = _cemetery(service)
        with broker_trouble_told():
            letter = await _letter(cemetery, number, principal(request).tenant)
        died, command = again(letter)

        async def accept(session: AsyncSession) -> Answer:
            return accepted(await book.accept(session, command, retry_of=str(died)))

        response = await once(service.database, request, accept)
        await _remove(cemetery, number)
        return response

    return routes


def again(letter: DeadLetter) -> tuple[UUID, Command]:
    """The id of the message that died, and the same command for a new job. Raises NotResendable."""
    kind = BY_SUBJECT.get(letter.subject)
    if kind is None or not issubclass(kind, Command) or kind not in KINDS:
        raise NotResendable(f"{letter.subject} is no command; start its job anew instead.")
    try:
        died = kind.model_validate_json(letter.body)
    except ValidationError as error:
        raise NotResendable(f"Its body does not fit {kind.__name__}; start its job anew instead.") from error
    envelope = {
        "message_id": uuid7(),
        "occurred_at": utc_now(),
        "correlation_id": new_id("job"),
        "causation_id": died.message_id,
    }
    return died.message_id, died.model_copy(update=envelope)


def _cemetery(service: Service) -> Cemetery:
    if not service.health.started:
        raise Starting
    return Cemetery(service.running.jetstream)


async def _letter(cemetery: Cemetery, number: int, tenant: str) -> DeadLetter:
    if number > _LAST_SEQUENCE:
        raise NoSuchDeadLetter(number)
    try:
        letter = await cemetery.get(number)
    except dead_letters.NoSuchDeadLetter as error:
        raise NoSuchDeadLetter(number) from error
    if letter.tenant != tenant:
        raise NoSuchDeadLetter(number)
    return letter


async def _remove(cemetery: Cemetery, number: int) -> None:
    """The new job is committed. A letter that stays is no harm: sent again, it gives the same job."""
    try:
        with suppress(nats.js.errors.NotFoundError):
            await cemetery.remove(number)
    except BROKER_TROUBLE as error:
        log.warning("dead letter not removed", number=number, error=repr(error))
