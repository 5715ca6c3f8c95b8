"""Wires the registry."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hone_chassis import Running, Service
from hone_chassis.loop_policy import LoopPolicy
from hone_chassis.routes_table import RoutesWriter, RoutingTable
from hone_contracts.deployment import DeploymentFailed, ModelDeployed
from hone_contracts.evaluation import (
    EvaluateVersions,
    EvaluationCompleted,
    EvaluationFailed,
    VersionJudged,
)
from hone_contracts.feedback import FeedbackRecorded
from hone_contracts.generation import ArtifactGenerated, GenerationFailed
from hone_contracts.hub_models import ModelAdded, ReleaseModel
from hone_contracts.job_messages import JobCancelled
from hone_contracts.messages import DEFAULT_TENANT
from hone_contracts.registry import (
    ApplyRoutes,
    ExportRegistry,
    ImportRegistry,
    ListAudit,
    ListEvaluations,
    ListModels,
    ListRoutes,
    PlanVersion,
    PromoteVersion,
    RollBack,
    RouteChanged,
    ShowModel,
)
from hone_contracts.training import TrainingFailed
from hone_registry import planning, routes, starter
from hone_registry.added import Added
from hone_registry.answers import Answers
from hone_registry.apply import RoutesFiles
from hone_registry.deployed import Deployed
from hone_registry.evaluations import Evaluations
from hone_registry.first_start import bring_up_to_date
from hone_registry.live import Live
from hone_registry.promotion import ByHand
from hone_registry.release import Releases
from hone_registry.settings import RegistrySettings
from hone_registry.watching import Watchers
from hone_registry.whole.answers import WholeRegistry

HEAD = "0005"


def create(settings: RegistrySettings | None = None, policy: LoopPolicy | None = None) -> Service:
    settings, policy = settings or RegistrySettings(), policy or LoopPolicy()
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
    service.announces(RouteChanged, EvaluateVersions, VersionJudged)

    answers = Answers(database, policy)
    service.answers(ListModels, answers.list_models)
    service.answers(ShowModel, answers.show_model)
    service.answers(ListRoutes, answers.list_routes)
    service.answers(ApplyRoutes, RoutesFiles(database, writer.written).apply)
    service.answers(ListEvaluations, answers.list_evaluations)
    service.answers(ListAudit, answers.list_audit)
    by_hand = ByHand(database, policy, writer.written)
    service.answers(PromoteVersion, by_hand.promote)
    service.answers(RollBack, by_hand.roll_back)
    whole = WholeRegistry(database, policy, writer.written)
    service.answers(ExportRegistry, whole.export)
    service.answers(ImportRegistry, whole.take)
    service.answers(ReleaseModel, Releases(database).release)
    service.handles(ModelAdded, Added(database, writer.wake).added)
    _loop(service, policy, writer)
    return service


def _loop(service: Service, policy: LoopPolicy, writer: RoutesWriter) -> None:
    """From a version's number to its place."""
    database = service.database
    evaluations = Evaluations(database, policy, writer.wake)
    service.answers(PlanVersion, planning.Planning(database, writer.wake).plan)
    service.handles(TrainingFailed, planning.training_failed)
    service.handles(DeploymentFailed, planning.deployment_failed)
    service.handles(JobCancelled, planning.job_cancelled)
    service.handles(ModelDeployed, Deployed(database).deployed)
    service.handles(EvaluationCompleted, evaluations.completed)
    service.handles(EvaluationFailed, evaluations.failed)
    live = Live(database, Watchers(policy, writer.wake), policy)
    service.handles(ArtifactGenerated, live.generated)
    service.handles(GenerationFailed, live.failed)
    service.handles(FeedbackRecorded, live.said)
    service.background(live.keep_looking)
