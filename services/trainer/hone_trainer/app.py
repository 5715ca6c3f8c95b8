"""Wires the trainer: the coordinator, which keeps the pool and starts runs, and the worker, which trains."""

import asyncio

from nats.aio.client import Client

from hone_chassis import Running, Service
from hone_chassis.cancellations import Cancellations
from hone_chassis.errors import DatabaseUnavailable
from hone_chassis.logs import get_logger
from hone_chassis.loop_policy import LoopPolicy
from hone_chassis.routes_table import RoutesWatcher
from hone_contracts import streams
from hone_contracts.deployment import DeploymentFailed, ModelDeployed
from hone_contracts.evaluation import EvaluationCompleted, EvaluationFailed, VersionJudged
from hone_contracts.feedback import FeedbackRecorded
from hone_contracts.job_messages import JobCancelled
from hone_contracts.pool import BuildDataset, CountExamples, ListDatasets, ListRuns, ShowDataset, ShowRun
from hone_contracts.training import (
    CheckTraining,
    DatasetBuilt,
    StartTraining,
    TrainingCompleted,
    TrainingFailed,
    TrainingStarted,
    TrainModel,
)
from hone_trainer.asking import Asking
from hone_trainer.few_shot.method import FewShot
from hone_trainer.pool.counts import Counts
from hone_trainer.pool.feedback import Intake
from hone_trainer.pool.fold import Rules
from hone_trainer.runs.dataset import Builder
from hone_trainer.runs.desk import Desk
from hone_trainer.runs.files import DatasetFiles
from hone_trainer.runs.following import Following
from hone_trainer.runs.full import Full
from hone_trainer.runs.watchdog import Watchdog
from hone_trainer.runs.worker import MakeVersion, Worker
from hone_trainer.settings import TrainerSettings
from hone_trainer.starting import Starter
from hone_trainer.training import Methods

HEAD = "0002"

log = get_logger(__name__)


def create(settings: TrainerSettings | None = None, policy: LoopPolicy | None = None) -> Service:
    settings, policy = settings or TrainerSettings(), policy or LoopPolicy()
    service = Service("trainer", settings, package="hone_trainer", head=HEAD)
    builder = Builder(service.database, DatasetFiles(settings.data_dir / "trainer" / "datasets"), policy)
    cancellations = Cancellations(service.database)
    service.hears(JobCancelled.subject, cancellations.interrupt)
    if settings.trainer_role != "worker":
        _coordinate(service, settings, policy, builder, cancellations)
    if settings.trainer_role != "coordinator":
        _work(service, settings, policy, builder, cancellations)
    return service


def _coordinate(
    service: Service,
    settings: TrainerSettings,
    policy: LoopPolicy,
    builder: Builder,
    cancellations: Cancellations,
) -> None:
    database = service.database
    methods = Methods(policy.method, RoutesWatcher.of(service).resolve, settings.trainer_role == "both")
    starter = Starter(policy, settings, methods)
    rules = Rules(policy.good_score, policy.correction_score, policy.disagreement)
    intake = Intake(database, rules, starter.look)
    service.consumes(streams.EVENTS, FeedbackRecorded.subject, intake.take, name="feedback")
    service.background(lambda _: intake.run())
    service.handles(StartTraining, starter.by_hand)

    following = Following(cancellations, settings.tries)
    service.handles(ModelDeployed, following.deployed)
    service.handles(DeploymentFailed, following.deployment_failed)
    service.handles(EvaluationCompleted, following.evaluated)
    service.handles(EvaluationFailed, following.evaluation_failed)
    service.handles(VersionJudged, following.judged)
    service.handles(JobCancelled, following.cancelled)
    service.announces(TrainingStarted, TrainModel, TrainingFailed)

    desk = Desk(database, builder, methods)
    service.answers(CheckTraining, desk.check)
    service.answers(CountExamples, Counts(database, starter).count)
    service.answers(ListDatasets, desk.list_datasets)
    service.answers(ShowDataset, desk.show_dataset)
    service.answers(BuildDataset, desk.build)
    service.answers(ListRuns, desk.list_runs)
    service.answers(ShowRun, desk.show_run)

    watchdog = Watchdog(database, settings)

    async def look(_running: Running) -> None:
        while True:
            try:
                await starter.tick(database)
                await watchdog.tick()
            except DatabaseUnavailable as error:
                log.warning("the pool is not looked at", error=str(error))
            await asyncio.sleep(policy.look_every_s)

    service.background(look)


def _work(
    service: Service,
    settings: TrainerSettings,
    policy: LoopPolicy,
    builder: Builder,
    cancellations: Cancellations,
) -> None:
    def client() -> Client:
        return service.running.client

    ask = Asking(client, settings.ask_timeout_s)
    methods: dict[str, MakeVersion] = {
        "few_shot": FewShot(ask, policy),
        "full": Full(ask, settings.data_dir / "trainer" / "runs"),
    }
    worker = Worker(
        service.database, cancellations, builder, ask, methods, settings.tries, settings.max_deliver
    )
    service.works_on(TrainModel, worker)
    service.announces(DatasetBuilt, TrainingCompleted, TrainingFailed)
