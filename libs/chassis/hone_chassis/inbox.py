"""Receipts: a message that comes again finds its effect already there."""

from datetime import timedelta

from sqlalchemy import bindparam, delete, select
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.database import Database, insert_new
from hone_chassis.tables import InboxRow, table_of, utc_now

_INBOX = table_of(InboxRow)
_KNOWN = select(_INBOX.c.message_id).where(
    _INBOX.c.consumer == bindparam("consumer"), _INBOX.c.message_id == bindparam("message_id")
)


async def record(session: AsyncSession, consumer: str, message_id: str) -> bool:
    """Write the receipt in the running transaction. False when it was there already."""
    receipt = {"consumer": consumer, "message_id": message_id, "received_at": utc_now()}
    return await insert_new(session, InboxRow, receipt)


async def known(database: Database, consumer: str, message_id: str) -> bool:
    """Whether the receipt is there, asked before long work begins."""
    async with database.read() as session:
        connection = await session.connection()
        found = await connection.execute(_KNOWN, {"consumer": consumer, "message_id": message_id})
        return found.first() is not None


async def purge(database: Database, keep: timedelta) -> None:
    async with database.write() as session:
        await session.exec(delete(InboxRow).where(col(InboxRow.received_at) < utc_now() - keep))
