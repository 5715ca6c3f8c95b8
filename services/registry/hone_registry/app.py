"""Wires the registry."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hone_chassis import Running, Service
from hone_chassis.routes_table import RoutesWriter, RoutingTable
from hone_contracts.messages import DEFAULT_TENANT
from hone_contracts.registry import ApplyRoutes, ListModels, ListRoutes, RouteChanged, ShowModel
from hone_registry import routes, starter
from hone_registry.answers import Answers
from hone_registry.apply import RoutesFiles
from hone_registry.first_start import bring_up_to_date
from hone_registry.settings import RegistrySettings

HEAD = "0002"


def create(settings: RegistrySettings | None = None) -> Service:
    settings = settings or RegistrySettings()
    service = Service("registry", settings, package="hone_registry", head=HEAD)
    database = service.database

    @asynccontextmanager
    async def up_to_date(_running: Running) -> AsyncIterator[None]:
        await bring_up_to_date(database, await asyncio.to_thread(starter.find, settings.starter_dir))
        yield

    async def read_table() -> RoutingTable:
        async with database.read() as session:
            return await routes.resolved(session, DEFAULT_TENANT)

    service.resource(up_to_date)
    writer = RoutesWriter.of(service, read_table)
    service.announces(RouteChanged)

    answers = Answers(database)
    service.answers(ListModels, answers.list_models)
    service.answers(ShowModel, answers.show_model)
    service.answers(ListRoutes, answers.list_routes)
    service.answers(ApplyRoutes, RoutesFiles(database, writer.written).apply)
    return service
