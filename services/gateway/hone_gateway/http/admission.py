"""Which requests come in at all: right host, no other site's page, a path that is one, a body of bearable size."""

import ipaddress
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hone_gateway.errors import BodyTooLarge, CrossSite, NoSuchPath, WrongHost
from hone_gateway.settings import GatewaySettings


class Rules:
    """What a request must be like to come in."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.max_body_bytes = settings.max_body_bytes
        self._hosts = {"localhost", *settings.allowed_hosts} if _is_loopback(settings.host) else None

    def admit(self, scope: Scope, headers: Headers) -> None:
        """Raises NoSuchPath, WrongHost, CrossSite, BodyTooLarge."""
        if "\0" in scope["path"]:  # no id has one, and PostgreSQL takes none in a text
            raise NoSuchPath
        self._check_host(headers.get("host", ""))
        _check_origin(headers, scope["method"])
        length = headers.get("content-length")
        if length is not None and length.isdigit() and int(length) > self.max_body_bytes:
            raise BodyTooLarge(self.max_body_bytes)

    def _check_host(self, host: str) -> None:
        if self._hosts is None:
            return
        name = host_name(host)
        if name not in self._hosts and not _is_loopback(name):
            raise WrongHost


class Admission:
    def __init__(self, app: ASGIApp, rules: Rules) -> None:
        self._app, self._rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._rules.admit(scope, Headers(scope=scope))
        await self._app(scope, self._limited(receive), send)

    def _limited(self, receive: Receive) -> Receive:
        """``receive`` that counts: a chunked body has no Content-Length to believe."""
        taken, limit = 0, self._rules.max_body_bytes

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > limit:
                raise BodyTooLarge(limit)
            return message

        return counted


def host_name(host: str) -> str:
    """The name in a Host header, without port and brackets, in lower case; empty when it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _check_origin(headers: Headers, method: str) -> None:
    """No CORS: a browser may only bring requests of pages that this server itself served."""
    origin = headers.get("origin")
    if origin is not None and _authority(origin) != headers.get("host", "").lower():
        raise CrossSite
    following_a_link = method == "GET" and headers.get("sec-fetch-mode") == "navigate"
    if headers.get("sec-fetch-site") in {"cross-site", "same-site"} and not following_a_link:
        raise CrossSite


def _authority(origin: str) -> str | None:
    """Host and port of an origin; None when it is no address."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None
