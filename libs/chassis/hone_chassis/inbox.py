"""Receipts: a message that comes again finds its effect already there."""

from datetime import timedelta

from sqlalchemy import delete
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.database import Database, insert_new
from hone_chassis.tables import InboxRow, utc_now


async def record(session: AsyncSession, consumer: str, message_id: str) -> bool:
    """Write the receipt in the running transaction. False when it was there already."""
    receipt = {"consumer": consumer, "message_id": message_id, "received_at": utc_now()}
    return await insert_new(session, InboxRow, receipt)


async def known(database: Database, consumer: str, message_id: str) -> bool:
    """Whether the receipt is there, asked before long work begins."""
    query = select(InboxRow.message_id).where(
        InboxRow.consumer == consumer, InboxRow.message_id == message_id
    )
    async with database.read() as session:
        return (await session.exec(query)).first() is not None


async def purge(database: Database, keep: timedelta) -> None:
    async with database.write() as session:
        await session.exec(delete(InboxRow).where(col(InboxRow.received_at) < utc_now() - keep))
