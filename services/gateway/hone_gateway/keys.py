"""API keys: random tokens of which only the SHA-256 is kept."""

import hashlib
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession
from sqlmodel.sql.expression import SelectOfScalar

from hone_chassis.database import Database, insert_new
from hone_chassis.logs import get_logger
from hone_chassis.tables import utc_now
from hone_contracts.messages import DEFAULT_TENANT
from hone_gateway.errors import NotAuthenticated, Starting
from hone_gateway.tables import ApiKeyRow

log = get_logger(__name__)

BOOTSTRAP = "bootstrap"
_MAX_CACHED = 10_000


@dataclass(frozen=True)
class Principal:
    """Who asks: a key by its name, on behalf of a tenant."""

    tenant: str
    name: str


class Keys:
    """Finds whose a key is. What was found is remembered for ``cache_s`` seconds: no query a request."""

    def __init__(self, database: Database, cache_s: float) -> None:
        self._database, self._cache_s = database, cache_s
        self._cached: dict[str, tuple[float, Principal]] = {}
        self.ready = False

    async def principal(self, token: str) -> Principal:
        """Raises NotAuthenticated, Starting; DatabaseUnavailable when the key cannot be looked up."""
        digest = sha256(token)
        found = self._cached.get(digest)
        if found is not None and found[0] > time.monotonic():
            return found[1]
        if not self.ready:  # the first key may not be in the table yet
            raise Starting
        self._cached.pop(digest, None)
        query = select(ApiKeyRow).where(ApiKeyRow.sha256 == digest, col(ApiKeyRow.revoked_at).is_(None))
        async with self._database.read() as session:
            row = (await session.exec(query)).first()
        if row is None:
            raise NotAuthenticated
        principal = Principal(row.tenant, row.name)
        if len(self._cached) >= _MAX_CACHED:
            self._cached.clear()
        self._cached[digest] = (time.monotonic() + self._cache_s, principal)
        return principal

    async def bootstrap(self, token: str | None) -> None:
        """See that the configured first key works, and that the one configured before it does not."""
        if token is None:
            log.warning("HONE_ADMIN_KEY is not set: only keys that are in the database work")
        else:
            await self.put(token, BOOTSTRAP, DEFAULT_TENANT)
        self.ready = True

    async def put(self, token: str, name: str, tenant: str) -> None:
        """The only valid key of this name and tenant is ``token`` from now on."""
        digest = sha256(token)
        others = update(ApiKeyRow).where(
            col(ApiKeyRow.name) == name,
            col(ApiKeyRow.tenant) == tenant,
            col(ApiKeyRow.sha256) != digest,
            col(ApiKeyRow.revoked_at).is_(None),
        )
        async with self._database.write() as session:
            await session.exec(others.values(revoked_at=utc_now()))
            new = _row(token, name, tenant)
            if not await insert_new(session, ApiKeyRow, new.model_dump()):
                again = update(ApiKeyRow).where(col(ApiKeyRow.sha256) == digest)
                await session.exec(again.values(revoked_at=None, tenant=tenant, name=name))

    async def create(self, session: AsyncSession, token: str, name: str, tenant: str) -> ApiKeyRow | None:
        """A new key, or None when a valid one has the name."""
        if (await session.exec(_valid(name, tenant))).first() is not None:
            return None
        row = _row(token, name, tenant)
        session.add(row)
        await session.flush()
        return row

    async def listed(self, tenant: str) -> Sequence[ApiKeyRow]:
        """Valid ones first, each group by age."""
        query = (
            select(ApiKeyRow)
            .where(ApiKeyRow.tenant == tenant)
            .order_by(
                col(ApiKeyRow.revoked_at).is_not(None), col(ApiKeyRow.created_at), col(ApiKeyRow.sha256)
            )
        )
        async with self._database.read() as session:
            return (await session.exec(query)).all()

    async def revoke(self, name: str, tenant: str) -> Sequence[ApiKeyRow]:
        """The keys that this ended: one, or none when no valid key has the name."""
        async with self._database.write() as session:
            rows = (await session.exec(_valid(name, tenant))).all()
            for row in rows:
                row.revoked_at = utc_now()
        for row in rows:
            self._cached.pop(row.sha256, None)
        return rows


def new_token() -> str:
    """256 random bits that say whose key they are where they turn up."""
    return f"hone_{secrets.token_urlsafe(32)}"


def _row(token: str, name: str, tenant: str) -> ApiKeyRow:
    shown = token[: min(9, len(token) // 4)]
    return ApiKeyRow(sha256=sha256(token), prefix=f"{shown}…", tenant=tenant, name=name)


def _valid(name: str, tenant: str) -> SelectOfScalar[ApiKeyRow]:
    return select(ApiKeyRow).where(
        ApiKeyRow.name == name, ApiKeyRow.tenant == tenant, col(ApiKeyRow.revoked_at).is_(None)
    )


def sha256(token: str) -> str:
    # A slow hash protects passwords that people choose. A key is random: there is nothing to guess.
    return hashlib.sha256(token.encode()).hexdigest()
