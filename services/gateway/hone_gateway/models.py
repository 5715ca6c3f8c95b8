"""The models that the registry knows."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from hone_chassis import Service
from hone_contracts.registry import ListModels, Model, Models, ShowModel
from hone_gateway.asking import ask
from hone_gateway.http.answers import json_of
from hone_gateway.http.authentication import principal


def router(service: Service) -> APIRouter:
    routes = APIRouter(tags=["models"])

    @routes.get("/api/models", responses={200: {"model": Models}})
    async def models(request: Request) -> Response:
        """Every model with its versions."""
        return json_of(await ask(service, ListModels(tenant=principal(request).tenant), Models))

    @routes.get("/api/models/{name}", responses={200: {"model": Model}})
    async def model(name: str, request: Request) -> Response:
        """One model with its versions."""
        return json_of(await ask(service, ShowModel(tenant=principal(request).tenant, name=name), Model))

    return routes
