"""Receipts: a message that comes again finds its effect already there."""

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import delete
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.database import Database
from hone_chassis.tables import InboxRow, utc_now


async def record(session: AsyncSession, consumer: str, message_id: str) -> bool:
    """Write the receipt in the running transaction. False when it was there already."""
    dialect = session.get_bind().dialect.name
    insert: Callable[..., sqlite.Insert | postgresql.Insert]
    insert = sqlite.insert if dialect == "sqlite" else postgresql.insert
    statement = (
        insert(InboxRow)
        .values(consumer=consumer, message_id=message_id, received_at=utc_now())
        .on_conflict_do_nothing()
        .returning(col(InboxRow.message_id))
    )
    return (await session.exec(statement)).first() is not None


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
