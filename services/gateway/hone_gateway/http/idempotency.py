"""A POST sent twice has one effect: its answer is kept in the transaction of its effect."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import delete, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from hone_chassis.database import Database, insert_new
from hone_chassis.tables import utc_now
from hone_gateway.errors import IdempotencyKeyReused, InvalidRequest
from hone_gateway.http.authentication import principal
from hone_gateway.tables import IdempotencyRow

HEADER = "Idempotency-Key"
_MAX_KEY_CHARS = 255


@dataclass(frozen=True)
class Answer:
    status: int
    body: str
    location: str | None = None

    @classmethod
    def json(cls, status: int, document: Mapping[str, Any], location: str | None = None) -> "Answer":
        return cls(status, json.dumps(document, ensure_ascii=False), location)

    def response(self) -> Response:
        headers = {"Location": self.location} if self.location else None
        return Response(self.body, self.status, headers, media_type="application/json")


Work = Callable[[AsyncSession], Awaitable[Answer]]


async def once(database: Database, request: Request, work: Work) -> Response:
    """Do ``work`` in a transaction, or give the answer it gave when this Idempotency-Key came first.

    What ``work`` raises is not kept: nothing happened, and the same key may try again.
    """
    asked = await _asked(request)
    async with database.write() as session:
        if asked is None:
            return (await work(session)).response()
        # A duplicate that comes at the same time waits here until the first has committed.
        if await insert_new(session, IdempotencyRow, asked.model_dump()):
            answer = await work(session)
            await _keep(session, asked, answer)
        else:
            before = await _kept(session, asked)
            assert before is not None, "a row that is in the way is there"
            answer = before
    return answer.response()


async def kept(database: Database, request: Request) -> Answer | None:
    """What this Idempotency-Key was answered with before, for work too long to be done in a transaction."""
    asked = await _asked(request)
    if asked is None:
        return None
    async with database.read() as session:
        return await _kept(session, asked)


async def asked_once(database: Database, request: Request, ask: Callable[[], Awaitable[Answer]]) -> Response:
    """As ``once``, for what another service does at once and would do again: with a key it is asked under the lock of
    the key's row. For quick questions only; on SQLite everybody who writes waits."""
    if HEADER not in request.headers:
        return (await ask()).response()

    async def work(_session: AsyncSession) -> Answer:
        return await ask()

    return await once(database, request, work)


async def answered(database: Database, request: Request, answer: Answer) -> Response:
    """As ``once``, for an answer that changed nothing: the first one given is the one given again."""
    if HEADER not in request.headers:
        return answer.response()

    async def work(_session: AsyncSession) -> Answer:
        return answer

    return await once(database, request, work)


async def _asked(request: Request) -> IdempotencyRow | None:
    """None for a request without a key. Raises InvalidRequest."""
    key = request.headers.get(HEADER)
    if key is None:
        return None
    if not 0 < len(key) <= _MAX_KEY_CHARS or not key.isprintable():
        raise InvalidRequest([{"field": HEADER, "message": f"1 to {_MAX_KEY_CHARS} printable characters"}])
    return IdempotencyRow(
        tenant=principal(request).tenant, key=key, fingerprint=_fingerprint(request, await request.body())
    )


def _row(asked: IdempotencyRow) -> tuple[Any, Any]:
    return (col(IdempotencyRow.tenant) == asked.tenant, col(IdempotencyRow.key) == asked.key)


async def _keep(session: AsyncSession, asked: IdempotencyRow, answer: Answer) -> None:
    values = {"status": answer.status, "location": answer.location, "body": answer.body}
    await session.exec(update(IdempotencyRow).where(*_row(asked)).values(values))


async def _kept(session: AsyncSession, asked: IdempotencyRow) -> Answer | None:
    """Raises IdempotencyKeyReused."""
    row = (await session.exec(select(IdempotencyRow).where(*_row(asked)))).first()
    if row is None:
        return None
    if row.fingerprint != asked.fingerprint:
        raise IdempotencyKeyReused
    assert row.status is not None, "a committed row has its answer"
    assert row.body is not None
    return Answer(row.status, row.body, row.location)


def _fingerprint(request: Request, body: bytes) -> str:
    head = f"{request.method} {request.url.path}\n".encode()
    return hashlib.sha256(head + body).hexdigest()


async def purge(database: Database, keep: timedelta) -> None:
    async with database.write() as session:
        await session.exec(delete(IdempotencyRow).where(col(IdempotencyRow.created_at) < utc_now() - keep))
