"""Wires the trainer: the coordinator, which keeps the pool and starts runs, and the worker, which trains."""

import asyncio

from nats.aio.client import Client

from hone_chassis import Running, Service
from hone_chassis.cancellations import Cancellations
from hone_chassis.errors import DatabaseUnavailable
from hone_chassis.logs import get_logger
from hone_chassis.loop_policy import LoopPolicy
from hone_chassis.routes_table import RoutesWatcher
from hone_contracts import streams, subjects
from hone_contracts.deployment import DeploymentFailed, ModelDeployed
from hone_contracts.evaluation import EvaluationCompleted, EvaluationFailed, VersionJudged
from hone_contracts.feedback import FeedbackRecorded
from hone_contracts.job_messages import JobCancelled
from hone_contracts.pool import (
    BuildDataset,
    CountExamples,
    ImportExamples,
    ListDatasets,
    ListRuns,
    ShowDataset,
    ShowRun,
)
from hone_contracts.training import (
    CheckEnvironments,
    CheckTraining,
    DatasetBuilt,
    ShowCurve,
    StartTraining,
    SteerTraining,
    TrainingCompleted,
    TrainingFailed,
    TrainingStarted,
    TrainOnCard,
    TrainOnLargeCard,
)
from hone_trainer.asking import Asking
from hone_trainer.chatting import Chatting
from hone_trainer.few_shot.method import FewShot
from hone_trainer.pool.counts import Counts
from hone_trainer.pool.feedback import Intake
from hone_trainer.pool.fold import Rules
from hone_trainer.pool.importing import Importer
from hone_trainer.pool.proving import Prover
from hone_trainer.pool.sources import ExampleSource, plugged_in
from hone_trainer.pool.variations import Variations
from hone_trainer.runs import machine, placing
from hone_trainer.runs.card import Card
from hone_trainer.runs.curves import Curves
from hone_trainer.runs.dataset import Builder
from hone_trainer.runs.desk import Desk
from hone_trainer.runs.files import DatasetFiles
from hone_trainer.runs.following import Following
from hone_trainer.runs.full import Full
from hone_trainer.runs.holding import Hold
from hone_trainer.runs.looking import Looking
from hone_trainer.runs.moving import Mover
from hone_trainer.runs.named import NamedDatasets
from hone_trainer.runs.offering import Offering
from hone_trainer.runs.preferences import Preferences
from hone_trainer.runs.steering import Steering
from hone_trainer.runs.tuned import Tuned
from hone_trainer.runs.watchdog import Watchdog
from hone_trainer.runs.worker import MakeVersion, Worker
from hone_trainer.runs.workers import Telling, Workers
from hone_trainer.settings import TrainerSettings
from hone_trainer.starting import Starter
from hone_trainer.training import Methods

HEAD = "0004"

_AWAY_S = 120.0  # a service that is started anew, while a run has work for it
_TRIED_WITHIN_S = 10.0  # of the fifteen seconds that who asks waits
_CHAT_LIMIT_S = 120.0  # of one paraphrase by a local model that is loaded for it

log = get_logger(__name__)


def create(settings: TrainerSettings | None = None, policy: LoopPolicy | None = None) -> Service:
    settings, policy = settings or TrainerSettings(), policy or LoopPolicy()
    service = Service("trainer", settings, package="hone_trainer", head=HEAD)
    parts = _Parts(service, settings, policy)
    if settings.trainer_role != "worker":
        parts.coordinate()
    if settings.trainer_role != "coordinator":
        parts.work()
    return service


class _Parts:
    """What both roles have, and what each adds."""

    def __init__(self, service: Service, settings: TrainerSettings, policy: LoopPolicy) -> None:
        self.service, self.settings, self.policy = service, settings, policy
        database, folder = service.database, settings.data_dir / "trainer"
        self.runs_folder = folder / "runs"
        self.ask = Asking(self._client, settings.ask_timeout_s)
        self.ask_for_work = Asking(self._client, settings.ask_timeout_s, _AWAY_S)
        self.builder = Builder(database, DatasetFiles(folder / "datasets"), policy)
        methods = Methods(policy.method, RoutesWatcher.of(service).resolve, settings.trainer_role == "both")
        self.starter = Starter(policy, methods)
        shared = settings.trainer_role == "both" if settings.card_shared is None else settings.card_shared
        self.card = Card(self.ask, shared)
        prover = Prover(database, self.ask, policy.good_score, self.starter.look)
        self.importer = Importer(database, prover, settings)
        self.cancellations = Cancellations(database)
        self.looking = Looking(self.runs_folder, eager=settings.trainer_role == "worker")
        self.in_hand: dict[str, Hold] = {}
        self.telling = Telling(database, self.looking.look, lambda: next(iter(self.in_hand), None))
        service.hears(JobCancelled.subject, self.cancellations.interrupt)

    def _client(self) -> Client:
        return self.service.running.client

    def coordinate(self) -> None:
        service, policy = self.service, self.policy
        rules = Rules(policy.good_score, policy.correction_score, policy.disagreement)
        intake = Intake(service.database, rules, self.starter.look)
        service.consumes(streams.EVENTS, FeedbackRecorded.subject, intake.take, name="feedback")
        service.background(lambda _: intake.run())
        service.background(lambda _: self.importer.prover.run())
        service.background(self._look)
        service.handles(StartTraining, self.starter.by_hand)
        self._follow(Following(service.database, self.cancellations, self.policy.tries))
        self._answer()
        service.announces(TrainingStarted, *placing.COMMANDS.values(), TrainingFailed)
        for command in (TrainOnCard, TrainOnLargeCard):
            service.expects(command)

    def _follow(self, following: Following) -> None:
        service = self.service
        service.handles(ModelDeployed, following.deployed)
        service.handles(DeploymentFailed, following.deployment_failed)
        service.handles(EvaluationCompleted, following.evaluated)
        service.handles(EvaluationFailed, following.evaluation_failed)
        service.handles(VersionJudged, following.judged)
        service.handles(JobCancelled, following.cancelled)
        dead = subjects.dead(subjects.command("trainer", "*"))
        service.consumes(streams.DEAD_LETTERS, dead, following.died, name="dead-letters")

    def _answer(self) -> None:
        service, database = self.service, self.service.database
        desk = Desk(database, self.builder, self.starter.methods)
        service.answers(CheckTraining, desk.check)
        service.answers(CountExamples, Counts(database, self.starter).count)
        service.answers(ImportExamples, self.importer.answer)
        service.answers(ListDatasets, desk.list_datasets)
        service.answers(ShowDataset, desk.show_dataset)
        service.answers(BuildDataset, desk.build)
        service.answers(ListRuns, desk.list_runs)
        service.answers(ShowRun, desk.show_run)
        service.answers(SteerTraining, Steering(database, self._client).answer)
        service.answers(ShowCurve, Curves(database).show)
        own = self._look_at_this_machine if self.settings.trainer_role == "both" else None
        service.answers(CheckEnvironments, Workers(database, own).check)

    async def _look_at_this_machine(self) -> None:
        await self.looking.try_now(_TRIED_WITHIN_S)
        await self.telling.tell(anew=True)

    async def _look(self, _running: Running) -> None:
        watchdog = Watchdog(self.service.database, self.settings, self.policy.tries)
        mover = Mover(self.service.database)
        while True:
            try:
                await self.starter.tick(self.service.database)
                await watchdog.tick()
                await mover.tick()
            except DatabaseUnavailable as error:
                log.warning("the pool is not looked at", error=str(error))
            await asyncio.sleep(self.policy.look_every_s)

    def _sources(self) -> list[ExampleSource]:
        sources = plugged_in()
        if self.settings.variations_model is not None:
            sources.append(Variations(Chatting(self._client, _CHAT_LIMIT_S), self.settings.variations_model))
        return sources

    def methods(self) -> dict[str, MakeVersion]:
        tuned = Tuned(
            self.ask_for_work,
            self.runs_folder,
            self.service.database,
            self.card,
            Preferences(self.ask_for_work, self.builder.files),
        )
        return {
            "few_shot": FewShot(self.ask_for_work, self.policy),
            "full": Full(self.ask_for_work, self.runs_folder, self.service.database),
            **dict.fromkeys(("lora", "qlora", "kto"), tuned),
        }

    def work(self) -> None:
        service = self.service
        worker = Worker(
            database=service.database,
            cancellations=self.cancellations,
            builder=self.builder,
            named=NamedDatasets(service.database, self.importer),
            offering=Offering(
                service.database, self.importer, self._sources(), self.settings.variations_per_batch
            ),
            ask=self.ask_for_work,
            methods=self.methods(),
            root=self.runs_folder,
            tries=self.policy.tries,
            deliveries=self.settings.max_deliver,
            save_s=self.settings.training_save_s,
            stopping=lambda: service.health.stopping,
            in_hand=self.in_hand,
        )
        for place in placing.places_in(machine.look()):
            service.works_on(placing.COMMANDS[place], worker)
        service.takes_time_to_save(worker.save_needs_s)
        service.background(self.telling.run)
        service.announces(DatasetBuilt, *placing.COMMANDS.values(), TrainingCompleted, TrainingFailed)
