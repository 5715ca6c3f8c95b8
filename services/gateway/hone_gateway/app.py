"""Wires the gateway: settings, database, handlers, routes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI

from hone_chassis import Running, Service
from hone_chassis.dead_letters import Advisory, bury_exhausted
from hone_chassis.errors import DatabaseUnavailable
from hone_chassis.logs import get_logger
from hone_chassis.loop_policy import LoopPolicy
from hone_chassis.service import RawMessage
from hone_contracts import streams, subjects
from hone_contracts.deployment import DeploymentFailed
from hone_contracts.evaluation import EvaluationFailed, VersionJudged
from hone_contracts.feedback import FeedbackRecorded
from hone_contracts.generation import ArtifactGenerated, GenerateArtifact, GenerationFailed
from hone_contracts.hub import ConversionFailed, ConvertModel, ModelConverted
from hone_contracts.hub_models import (
    AdditionFailed,
    AddModel,
    ModelAdded,
    ModelRemoved,
    RemovalFailed,
    RemoveModel,
)
from hone_contracts.job_messages import JobCancelled
from hone_contracts.training import StartTraining, TrainingFailed, TrainingStarted
from hone_gateway import (
    __version__,
    api_keys,
    artifacts,
    datasets,
    dead,
    documents,
    hub,
    huggingface,
    models,
    routes,
    status,
    training,
    validation,
)
from hone_gateway.feedback import endpoints as feedback
from hone_gateway.http import idempotency, refusals
from hone_gateway.http.admission import Admission, Rules
from hone_gateway.http.authentication import Authentication
from hone_gateway.http.edge import Edge
from hone_gateway.jobs import endpoints as jobs
from hone_gateway.jobs import steering
from hone_gateway.jobs.book import JobBook
from hone_gateway.jobs.events import EventStreams
from hone_gateway.jobs.feeds import Feeds
from hone_gateway.jobs.outcomes import Outcomes
from hone_gateway.jobs.progress_writer import ProgressWriter
from hone_gateway.jobs.runs import Runs
from hone_gateway.keys import Keys
from hone_gateway.openai_api.app import OpenAIApi
from hone_gateway.openai_api.chats import Chats
from hone_gateway.openai_api.completions import Completions
from hone_gateway.openai_api.models import ModelList
from hone_gateway.settings import GatewaySettings

log = get_logger(__name__)

HEAD = "0002"
_PURGE_EVERY_S = 3600.0


def create(settings: GatewaySettings | None = None, policy: LoopPolicy | None = None) -> Service:
    settings = settings or GatewaySettings()
    http = FastAPI(
        title="Hone",
        version=__version__,
        docs_url=None,  # the page would load its scripts from somewhere else
        redoc_url=None,
    )
    service = Service("gateway", settings, package="hone_gateway", head=HEAD, http=http)
    database = service.database
    keys = Keys(database, settings.key_cache_s)
    feeds = Feeds()
    progress = ProgressWriter(database, feeds, settings.progress_write_s)

    def ended(job_id: str) -> None:
        progress.ended(job_id)
        feeds.ended(job_id)

    book = JobBook(ended)
    _messages(service, Outcomes(book, database), Runs(book), progress)
    _life(service, settings, keys, feeds)
    _surround(service, http, settings, keys)
    watching = EventStreams(database, feeds, settings.events_heartbeat_s, settings.events_poll_s)
    for router in (
        artifacts.router(database, book),
        feedback.router(service, policy or LoopPolicy()),
        jobs.router(database, book, watching),
        steering.router(service),
        models.router(service),
        routes.router(service),
        api_keys.router(database, keys),
        hub.router(service, book),
        huggingface.router(service, book),
        training.router(service, book),
        datasets.router(service),
        dead.router(service, book),
        validation.router(service),
        status.router(service, settings.status_timeout_s),
        documents.router(service),
    ):
        http.include_router(router)
    http.openapi = documents.openapi_of(http)  # type: ignore[method-assign]  # FastAPI's own way to extend it
    return service


def _messages(service: Service, outcomes: Outcomes, runs: Runs, progress: ProgressWriter) -> None:
    service.announces(
        GenerateArtifact, ConvertModel, AddModel, RemoveModel, StartTraining, JobCancelled, FeedbackRecorded
    )
    service.handles(ArtifactGenerated, outcomes.artifact_generated)
    service.handles(GenerationFailed, outcomes.generation_failed)
    service.handles(ModelConverted, outcomes.model_converted)
    service.handles(ConversionFailed, outcomes.work_failed)
    service.handles(ModelAdded, outcomes.model_added)
    service.handles(AdditionFailed, outcomes.work_failed)
    service.handles(ModelRemoved, outcomes.model_removed)
    service.handles(RemovalFailed, outcomes.work_failed)
    service.handles(TrainingStarted, runs.started)
    service.handles(VersionJudged, runs.judged)
    service.handles(TrainingFailed, runs.failed)
    service.handles(DeploymentFailed, runs.failed)
    service.handles(EvaluationFailed, runs.failed)
    service.hears(subjects.ALL_PROGRESS, progress.hear)
    service.background(progress.run)

    async def given_up(message: RawMessage) -> None:
        await bury_exhausted(service.running.jetstream, Advisory.model_validate_json(message.body))

    service.consumes(streams.ADVISORIES, subjects.ALL_EXHAUSTED, given_up, name="advisories")
    service.consumes(streams.DEAD_LETTERS, subjects.ALL_DEAD, outcomes.died, name="dead-letters")


def _life(service: Service, settings: GatewaySettings, keys: Keys, feeds: Feeds) -> None:
    @asynccontextmanager
    async def open_for_callers(_running: Running) -> AsyncIterator[None]:
        key = settings.admin_key
        await keys.bootstrap(key.get_secret_value() if key is not None else None)
        yield
        feeds.close()  # an open event stream would hold up the stop

    async def purge(running: Running) -> None:
        while True:
            try:
                await idempotency.purge(running.database, timedelta(hours=settings.idempotency_keep_hours))
            except DatabaseUnavailable as error:
                log.warning("old idempotency keys not removed", error=str(error))
            await asyncio.sleep(_PURGE_EVERY_S)

    service.resource(open_for_callers)
    service.background(purge)


def _surround(service: Service, http: FastAPI, settings: GatewaySettings, keys: Keys) -> None:
    """What each request passes, from the outside in. ``/v1`` is answered before it comes to FastAPI."""
    rules, chats = Rules(settings), Chats(settings.graceful_timeout_s / 2)
    service.resource(chats.listening)
    http.add_middleware(Authentication, keys=keys)
    http.add_middleware(Admission, rules=rules)
    http.add_middleware(Edge)
    http.add_middleware(
        OpenAIApi,
        rules=rules,
        keys=keys,
        completions=Completions(chats, settings.events_heartbeat_s),
        models=ModelList(service),
    )
    refusals.register(http)
