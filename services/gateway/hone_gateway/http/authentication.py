"""Who asks: the API key of each request, before any routing."""

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from hone_gateway.errors import NotAuthenticated
from hone_gateway.keys import Keys, Principal

OPEN_PATHS = frozenset({"/health/live", "/health/ready", "/metrics", "/openapi.json", "/asyncapi.json"})
_MAX_KEY_CHARS = 256


class Authentication:
    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            token = token_of(Headers(scope=scope))
            if token is None:
                raise NotAuthenticated
            scope["hone.principal"] = await self._keys.principal(token)
        await self._app(scope, receive, send)


def token_of(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        token = headers.get("x-api-key", "")
    token = token.strip()
    return token if 0 < len(token) <= _MAX_KEY_CHARS else None


def principal(connection: HTTPConnection) -> Principal:
    found: Principal = connection.scope["hone.principal"]
    return found
