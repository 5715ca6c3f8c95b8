"""API keys over HTTP: made, listed, revoked. A key itself is in one answer only, the one that made it."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import AfterValidator, ConfigDict, Field
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.responses import JSONResponse, Response

from hone_chassis.database import Database
from hone_gateway.errors import FirstKeyStays, KeyNameTaken, NoSuchKey
from hone_gateway.http import bodies
from hone_gateway.http.authentication import principal
from hone_gateway.http.idempotency import Answer, once
from hone_gateway.keys import BOOTSTRAP, Keys, new_token
from hone_gateway.tables import ApiKeyRow


def _free(name: str) -> str:
    if name == BOOTSTRAP:
        raise ValueError(f"{BOOTSTRAP} is the name of the first key; choose another")
    return name


class KeyRequest(bodies.RequestBody):
    """Whom or what the key is for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "ci"}]})

    name: Annotated[str, AfterValidator(_free)] = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$")


def router(database: Database, keys: Keys) -> APIRouter:
    routes = APIRouter(tags=["keys"])

    @routes.post("/api/keys", status_code=201)
    async def create(request: Request) -> Response:
        """Make a key. It is in this answer and nowhere else; the same Idempotency-Key again gives all but the key."""
        asked = await bodies.read(request, KeyRequest)
        tenant, made = principal(request).tenant, list[tuple[ApiKeyRow, str]]()

        async def make(session: AsyncSession) -> Answer:
            token = new_token()
            row = await keys.create(session, token, asked.name, tenant)
            if row is None:
                raise KeyNameTaken(asked.name)
            made.append((row, token))
            return Answer.json(201, _shown(row))

        kept = await once(database, request, make)
        if not made:
            return kept
        row, token = made[-1]
        return JSONResponse({**_shown(row), "key": token}, 201, {"Cache-Control": "no-store"})

    @routes.get("/api/keys")
    async def listed(request: Request) -> Response:
        """Every key by its name and how it begins, revoked ones too."""
        rows = await keys.listed(principal(request).tenant)
        return JSONResponse({"keys": [_shown(row) for row in rows]})

    @routes.delete("/api/keys/{name}")
    async def revoke(name: str, request: Request) -> Response:
        """End a key. Other replicas may know it for some seconds more."""
        if name == BOOTSTRAP:
            raise FirstKeyStays
        rows = await keys.revoke(name, principal(request).tenant)
        if not rows:
            raise NoSuchKey(name)
        return JSONResponse({"keys": [_shown(row) for row in rows]})

    return routes


def _shown(row: ApiKeyRow) -> dict[str, Any]:
    revoked_at = row.revoked_at.isoformat() if row.revoked_at is not None else None
    return {
        "name": row.name,
        "begins": row.prefix,
        "created_at": row.created_at.isoformat(),
        "revoked_at": revoked_at,
    }
