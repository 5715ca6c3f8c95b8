"""Any failure as a problem document (RFC 9457)."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from starlette.responses import Response
from starlette.types import Scope

from hone_chassis import RemoteError
from hone_chassis.errors import HandlingError
from hone_contracts.errors import ErrorBody
from hone_gateway.errors import GatewayError

_OURS = frozenset({"type", "title", "status", "detail", "instance", "code", "path", "headers"})


def problem(
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    path: str,
    headers: Mapping[str, str] | None = None,
    **fields: object,
) -> Response:
    document = {
        "type": f"urn:hone:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": path,
        "code": code,
        **fields,
    }
    return Response(
        json.dumps(document, ensure_ascii=False), status, headers, media_type="application/problem+json"
    )


def problem_of(error: Exception, scope: Scope) -> Response | None:
    """The answer to a failure that we know; None for a bug."""
    path: str = scope["path"]
    if isinstance(error, GatewayError):
        return problem(
            error.status,
            error.code,
            error.title,
            error.detail,
            path=path,
            headers=error.headers,
            **error.fields,
        )
    if isinstance(error, HandlingError):
        return _remote(error.body(), path)
    if isinstance(error, RemoteError):
        return _remote(error.body, path)
    return None


def plain_problem(status: int, detail: str, path: str, headers: Mapping[str, str] | None = None) -> Response:
    """For what the framework refuses by itself: unknown paths, wrong methods."""
    found = HTTPStatus(status)
    return problem(
        status, found.phrase.lower().replace(" ", "_"), found.phrase, detail, path=path, headers=headers
    )


def _remote(body: ErrorBody, path: str) -> Response:
    headers = {"Retry-After": "1"} if body.status == 503 else None
    fields = {name: value for name, value in body.fields.items() if name not in _OURS}
    return problem(body.status, body.code, body.title, body.detail, path=path, headers=headers, **fields)
