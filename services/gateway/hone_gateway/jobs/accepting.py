"""Accepting a command as a job, as what is to be done once for a request."""

from collections.abc import Awaitable, Callable

from sqlmodel.ext.asyncio.session import AsyncSession

from hone_contracts.messages import Command
from hone_gateway.http.idempotency import Answer
from hone_gateway.jobs.book import JobBook
from hone_gateway.jobs.endpoints import accepted


def accepting(book: JobBook, command: Command) -> Callable[[AsyncSession], Awaitable[Answer]]:
    async def accept(session: AsyncSession) -> Answer:
        return accepted(await book.accept(session, command))

    return accept
