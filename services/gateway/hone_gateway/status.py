"""How every service is, asked over the bus: in each mode the way their work takes too."""

import asyncio
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from hone_chassis import RemoteError, Service
from hone_chassis.errors import HandlingError
from hone_contracts import subjects
from hone_contracts.providers import ListProviders, Providers
from hone_contracts.status import AskStatus, ServiceStatus
from hone_gateway import __version__
from hone_gateway.asking import ask

_PROVIDERS_LIMIT_S = 5.0  # a provider has three; the first question after a start takes longer
OTHERS = ("generator", "hub", "trainer", "registry")


def router(service: Service, timeout_s: float) -> APIRouter:
    routes = APIRouter(tags=["status"])

    async def of(name: str) -> dict[str, object]:
        try:
            asked = ask(
                service, AskStatus(), ServiceStatus, subjects.rpc(name, "status"), timeout_s=timeout_s
            )
            return _shown(name, (await asked).troubles)
        except (HandlingError, RemoteError) as error:
            return _shown(name, {"bus": str(error)})

    async def providers() -> dict[str, Any]:
        """Null of each when the generator does not tell: that is no word on the providers."""
        try:
            told = await ask(service, ListProviders(), Providers, timeout_s=_PROVIDERS_LIMIT_S)
        except (HandlingError, RemoteError):
            return {"providers": None, "gpus": None}
        return told.model_dump(mode="json")

    @routes.get("/api/status")
    async def status() -> Response:
        """Each service, whether it is ready and what it lacks otherwise; the providers of models, and the GPUs."""
        own = _shown(service.name, await service.health.troubles())
        models, *others = await asyncio.gather(providers(), *(of(name) for name in OTHERS))
        return JSONResponse({"version": __version__, "services": [own, *others], **models})

    return routes


def _shown(name: str, troubles: Mapping[str, str]) -> dict[str, object]:
    detail = "; ".join(f"{what}: {wrong}" for what, wrong in troubles.items())
    return {"name": name, "ready": not troubles, "detail": detail or None}
