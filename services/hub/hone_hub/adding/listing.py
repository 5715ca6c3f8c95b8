"""Answers ``ListAddedModels``."""

from hone_chassis.database import Database
from hone_contracts.hub_models import AddedModels, ListAddedModels
from hone_hub.adding import tables


class Listing:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def models(self, question: ListAddedModels) -> AddedModels:
        async with self._database.read() as session:
            rows = await tables.every(session, question.tenant)
        return AddedModels(models=tuple(row.told for row in rows))
