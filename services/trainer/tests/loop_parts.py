"""A trainer that runs, and the parts of registry and generator, played over NATS in a few lines."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import DeliverPolicy
from running import started, until

from hone_chassis import Service, rpc
from hone_chassis.loop_policy import LoopPolicy
from hone_chassis.routes_table import RoutesWriter
from hone_contracts.artifacts import ArtifactType
from hone_contracts.errors import Request
from hone_contracts.feedback import FeedbackRecorded
from hone_contracts.job_messages import JobCancelled
from hone_contracts.messages import Message
from hone_contracts.pool import CountExamples, ListRuns, PoolCount, PoolCounts, Run, Runs
from hone_contracts.providers import ListProviders, ProviderModel, Providers, ProviderStatus
from hone_contracts.registry import PlanVersion, Reading, Route, ServedVersion
from hone_contracts.teaching import Pair, RenderedExample, RenderedExamples, RenderExamples
from hone_contracts.training import PlannedVersion
from hone_contracts.validation import ValidateArtifact, Validation
from hone_trainer import app
from hone_trainer.settings import TrainerSettings

M = TypeVar("M", bound=Message)

MODEL = "ollama:tiny"


def policy(**more: Any) -> LoopPolicy:
    """A small batch, and no pause between runs."""
    small = {
        "batch_examples": 12, "held_out_min": 2, "min_interval_s": 0, "look_every_s": 0.1,
        "least_examples": 4,
    }  # fmt: skip
    return LoopPolicy(**small | more)


def settings(nats_url: str, database_url: str, data: Path, **more: Any) -> TrainerSettings:
    quick = {"retry_delay_s": 0.05, "ask_timeout_s": 5}
    return TrainerSettings.model_validate(
        {"nats_url": nats_url, "database_url": database_url, "data_dir": data, "port": 0} | quick | more
    )


@dataclass
class Others:
    """What registry and generator are asked, and what they answer."""

    client: Client
    reading: Reading = "whole"
    model_uri: str | None = None
    asked: list[Any] = field(default_factory=list)
    score: Callable[[ValidateArtifact], int] = lambda _: 95
    plan: Callable[[PlanVersion], Awaitable[PlannedVersion]] | None = None
    rendered: Callable[[Any], RenderedExample] = lambda text: RenderedExample(
        pairs=(Pair(system="Answer.", user=text.requirements, assistant=text.content),)
    )

    async def play(self) -> None:
        writer = RoutesWriter(self._routes)
        await writer.reconcile(self.client.jetstream())
        self._answer(PlanVersion, self._plan)
        self._answer(RenderExamples, self._render)
        self._answer(ValidateArtifact, self._validate)
        self._answer(ListProviders, self._providers)
        for question, answering in self._answers:
            await self.client.subscribe(str(question.subject), queue="played", cb=answering)  # type: ignore[attr-defined]
        await self.client.flush()

    _answers: list[tuple[type[Request], Any]] = field(default_factory=list)

    def _answer(self, question: type[Request], handler: Any) -> None:
        answer = rpc.answering(str(question.subject), question, handler)  # type: ignore[attr-defined]

        async def reply(message: Msg) -> None:
            await message.respond(await answer(message.data))

        self._answers.append((question, reply))

    async def _routes(self) -> dict[str, Route]:
        return {"default": Route(artifact_type="default", model=MODEL, reading=self.reading)}

    async def _plan(self, question: PlanVersion) -> PlannedVersion:
        self.asked.append(question)
        if self.plan is not None:
            return await self.plan(question)
        base = ServedVersion(model_uri=self.model_uri)
        return PlannedVersion(
            model=question.model or MODEL,
            reading=self.reading,
            version=2,
            name="v2_20261125T223000Z",
            base=base,
        )

    async def _render(self, question: RenderExamples) -> RenderedExamples:
        self.asked.append(question)
        return RenderedExamples(examples=tuple(map(self.rendered, question.examples)))

    async def _validate(self, question: ValidateArtifact) -> Validation:
        self.asked.append(question)
        score = self.score(question)
        return Validation(
            type=question.artifact_type or ArtifactType.MERMAID_ERD,
            score=score,
            accepted=score >= 60,
            validators=(),
            reasons=("it was said so",),
        )

    async def _providers(self, _: ListProviders) -> Providers:
        model = ProviderModel(model=MODEL, loaded=True, context_tokens=2048)
        status = ProviderStatus(
            name="ollama", local=True, ok=True, detail="", models=(model,), models_total=1
        )
        return Providers(providers=(status,))


@dataclass
class Trainer:
    service: Service
    others: Others

    @property
    def client(self) -> Client:
        return self.service.running.client

    async def ask(self, question: Request, answer: type[Any]) -> Any:
        return await rpc.ask(self.client, question.subject, question, answer, 30.0)  # type: ignore[attr-defined]

    async def tell(self, *messages: Message) -> None:
        for message in messages:
            headers = {"Nats-Msg-Id": str(message.message_id), "correlation_id": message.correlation_id}
            await self.client.jetstream().publish(
                message.subject, message.model_dump_json().encode(), headers=headers
            )

    async def tell_again(self, message: Message) -> None:
        """As a stream delivers it that does not remember it."""
        await self.client.jetstream().publish(message.subject, message.model_dump_json().encode())

    async def told(self, message: type[M]) -> list[M]:
        """All of them that lie on the stream by now."""
        subscription = await self.client.jetstream().subscribe(
            message.subject, ordered_consumer=True, deliver_policy=DeliverPolicy.ALL
        )
        found: list[M] = []
        try:
            while True:
                told = await subscription.next_msg(timeout=0.3)
                found.append(message.model_validate_json(told.data))
        except nats.errors.TimeoutError:
            return found
        finally:
            await subscription.unsubscribe()

    async def one_told(self, message: type[M]) -> M:
        [one] = await until(lambda: self.told(message))
        return one

    async def runs(self) -> list[Run]:
        found: Runs = await self.ask(ListRuns(), Runs)
        return list(found.runs)

    async def pool(self) -> PoolCount | None:
        """The counts of the one type that a test has examples of."""
        found: PoolCounts = await self.ask(CountExamples(), PoolCounts)
        return found.types[0] if found.types else None

    async def gives(self, *messages: FeedbackRecorded) -> None:
        """Feedback that makes as many new examples, which are in the pool after it."""
        before = await self.pool()
        good = len(messages) + (before.good if before else 0)
        await self.tell(*messages)
        await until(self.pool, lambda count: count is not None and count.good >= good)

    async def cancel(self, run_id: str) -> None:
        await self.tell(JobCancelled(correlation_id=run_id))
        await self.run_in("cancelled")

    async def run_in(self, state: str) -> Run:
        def so(runs: list[Run]) -> bool:
            return bool(runs) and runs[0].state == state

        return (await until(self.runs, so))[0]


@asynccontextmanager
async def training(
    nats_url: str, database_url: str, data: Path, *, loop: LoopPolicy | None = None, **more: Any
) -> AsyncIterator[Trainer]:
    """``more``: of ``Others``; what begins with ``set_`` of the settings."""
    set_ = {name.removeprefix("set_"): more.pop(name) for name in list(more) if name.startswith("set_")}
    client = await nats.connect(nats_url)
    others = Others(client, **more)
    await others.play()
    service = app.create(settings(nats_url, database_url, data, **set_), loop or policy())
    async with started(service):
        yield Trainer(service, others)
    await client.close()
