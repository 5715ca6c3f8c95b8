"""The routing table: reading it, and applying a routes file."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from hone_chassis import Service
from hone_contracts.registry import MAX_ROUTES_CHARS, ApplyRoutes, ListRoutes, Routes, RoutesApplied
from hone_gateway.asking import ask
from hone_gateway.errors import NotARoutesFile, RoutesFileTooLarge
from hone_gateway.http.answers import json_of
from hone_gateway.http.authentication import principal
from hone_gateway.http.yaml_files import text_of

_APPLY_LIMIT_S = 30.0
_FILE = {
    "required": True,
    "description": "a routes file; docs/routes.md has its keys",
    "content": {
        "application/yaml": {
            "schema": {"type": "string"},
            "example": "default:\n  model: ollama:qwen2.5-coder:7b\n  threshold: 70\n",
        },
        "application/json": {"schema": {"type": "object"}},
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
    text = await text_of(request, NotARoutesFile)
    if len(text) > MAX_ROUTES_CHARS:
        raise RoutesFileTooLarge(MAX_ROUTES_CHARS)
    return text
