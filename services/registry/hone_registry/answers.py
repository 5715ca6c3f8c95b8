"""What other services ask the registry."""

from hone_chassis.database import Database
from hone_chassis.loop_policy import LoopPolicy
from hone_contracts.registry import (
    AuditTrail,
    Evaluations,
    ListAudit,
    ListEvaluations,
    ListModels,
    ListRoutes,
    Model,
    Models,
    Routes,
    ShowModel,
)
from hone_registry import models, routes, trail


class Answers:
    """Reads only."""

    def __init__(self, database: Database, policy: LoopPolicy) -> None:
        self._database, self._weight = database, policy.feedback_weight

    async def list_models(self, question: ListModels) -> Models:
        async with self._database.read() as session:
            return Models(models=await models.listed(session, question.tenant, self._weight))

    async def show_model(self, question: ShowModel) -> Model:
        """Raises NoSuchModel."""
        async with self._database.read() as session:
            return await models.shown(session, question.tenant, question.name, self._weight)

    async def list_routes(self, question: ListRoutes) -> Routes:
        async with self._database.read() as session:
            return await routes.shown(session, question.tenant)

    async def list_evaluations(self, question: ListEvaluations) -> Evaluations:
        """Raises NoSuchModel, NoSuchVersion."""
        async with self._database.read() as session:
            return await trail.evaluations(session, question)

    async def list_audit(self, question: ListAudit) -> AuditTrail:
        async with self._database.read() as session:
            return await trail.audit(session, question)
