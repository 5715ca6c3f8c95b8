"""Replicas that change the same tables take turns."""

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.database import Database

_ADVISORY_LOCK = 0x72656769  # any number that no other service of this database takes


async def one_at_a_time(session: AsyncSession, database: Database) -> None:
    """Wait for whoever holds the turn; it ends with the transaction."""
    if not database.is_sqlite:  # there, a write transaction is alone anyway
        lock = text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
        await (await session.connection()).execute(lock)
