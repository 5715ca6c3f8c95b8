"""The routing table: reading it, and applying a routes file."""

import json

from fastapi import APIRouter, Request
from starlette.responses import Response

from hone_chassis import Service
from hone_contracts.registry import MAX_ROUTES_CHARS, ApplyRoutes, ListRoutes, Routes, RoutesApplied
from hone_gateway.asking import ask
from hone_gateway.errors import MalformedBody, NotARoutesFile, RoutesFileTooLarge
from hone_gateway.http.answers import json_of
from hone_gateway.http.authentication import principal

_YAML = frozenset({"application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"})
_JSON = "application/json"
_APPLY_LIMIT_S = 30.0
_FILE = {
    "required": True,
    "description": "a routes file; docs/routes.md has its keys",
    "content": {
        "application/yaml": {
            "schema": {"type": "string"},
            "example": "default:\n  model: ollama:qwen2.5-coder:7b\n  threshold: 70\n",
        },
        _JSON: {"schema": {"type": "object"}},
    },
}


def router(service: Service) -> APIRouter:
    routes = APIRouter(tags=["routes"])

    @routes.get("/api/routes", responses={200: {"model": Routes}})
    async def routing_table(request: Request) -> Response:
        """Which models answer for which artifact type, and who set it."""
        return json_of(await ask(service, ListRoutes(tenant=principal(request).tenant), Routes))

    @routes.put(
        "/api/routes", responses={200: {"model": RoutesApplied}}, openapi_extra={"requestBody": _FILE}
    )
    async def apply(request: Request, dry_run: bool = False) -> Response:
        """Make the table what a routes file says: all of it, or nothing and every fault with its line."""
        asking = principal(request)
        question = ApplyRoutes(
            tenant=asking.tenant, text=await _text(request), actor=f"key {asking.name}", dry_run=dry_run
        )
        return json_of(await ask(service, question, RoutesApplied, timeout_s=_APPLY_LIMIT_S))

    return routes


async def _text(request: Request) -> str:
    """The file. Raises NotARoutesFile, RoutesFileTooLarge, MalformedBody, BodyTooLarge."""
    media_type = request.headers.get("content-type", "application/yaml").partition(";")[0].strip().lower()
    if media_type not in _YAML and media_type != _JSON:
        raise NotARoutesFile
    try:
        text = (await request.body()).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedBody(f"The body is not UTF-8 (byte {error.start}).") from error
    if len(text) > MAX_ROUTES_CHARS:
        raise RoutesFileTooLarge(MAX_ROUTES_CHARS)
    return _json_as_yaml(text) if media_type == _JSON else text


def _json_as_yaml(text: str) -> str:
    """JSON is YAML but for tabs between its tokens, which change nothing as spaces. (In strings it has none.)"""
    try:
        json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedBody(str(error)) from error
    return text.replace("\t", " ")
