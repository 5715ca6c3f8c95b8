"""What other services ask the registry."""

from hone_chassis.database import Database
from hone_contracts.registry import ListModels, ListRoutes, Model, Models, Routes, ShowModel
from hone_registry import models, routes


class Answers:
    """Reads only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_models(self, question: ListModels) -> Models:
        async with self._database.read() as session:
            return Models(models=await models.listed(session, question.tenant))

    async def show_model(self, question: ShowModel) -> Model:
        """Raises NoSuchModel."""
        async with self._database.read() as session:
            return await models.shown(session, question.tenant, question.name)

    async def list_routes(self, question: ListRoutes) -> Routes:
        async with self._database.read() as session:
            return await routes.shown(session, question.tenant)
