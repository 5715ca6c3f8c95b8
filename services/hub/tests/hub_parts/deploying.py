"""Orders for deployments, and a hub that works on them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from nats.aio.msg import Msg
from running import started, until
from sqlmodel import col, select

from hone_chassis import Service
from hone_chassis.cancellations import CancelledJobRow
from hone_chassis.tables import OutboxRow
from hone_contracts import subjects
from hone_contracts.deployment import DeploymentFailed, ModelDeployed
from hone_contracts.ids import new_id
from hone_contracts.job_messages import JobCancelled
from hone_contracts.messages import JobProgressed, Message
from hone_contracts.registry import PromptVersion, Reading, ServedVersion, Turn
from hone_contracts.training import DatasetSummary, PlannedVersion, TrainingCompleted
from hone_hub import app
from hone_hub.settings import HubSettings
from hub_parts.starter import STARTER

VERSION = "v2_20261125T224500"
TURNS = (
    Turn(role="user", content="\neach member has many loans ."),
    Turn(role="assistant", content='[{"r":["member","1:N","loans"]}]'),
)
_DATASET = DatasetSummary(
    digest="d" * 64,
    artifact_type="mermaid_erd",
    train=40,
    held_out=10,
    train_uri="file:///train.jsonl",
    held_out_uri="file:///held_out.jsonl",
)


def prompt(reading: Reading = "passages", system: str = "", turns: tuple[Turn, ...] = TURNS) -> PromptVersion:
    return PromptVersion(reading=reading, system=system, turns=turns)


def order(
    model: str = "llamacpp:hone-starter",
    *,
    weights: Path | None = None,
    gguf: Path | None = None,
    gguf_sha256: str | None = None,
    examples: PromptVersion | None = None,
    base: ServedVersion | None = None,
    reading: Reading = "passages",
    name: str = VERSION,
    job: str | None = None,
) -> TrainingCompleted:
    base = base or ServedVersion(model_uri=STARTER.as_uri(), model_sha256="5" * 64)
    return TrainingCompleted(
        correlation_id=job or new_id("job"),
        artifact_type="mermaid_erd",
        method="few_shot" if weights is None and gguf is None else "lora",
        planned=PlannedVersion(model=model, reading=reading, version=2, name=name, base=base),
        dataset=_DATASET,
        weights_uri=weights.as_uri() if weights else None,
        gguf_uri=gguf.as_uri() if gguf else None,
        gguf_sha256=gguf_sha256,
        prompt=examples,
        parameters={"epochs": 3},
        figures={"loss": 0.5},
        code_version="0.1.0",
    )


@asynccontextmanager
async def hub(settings: HubSettings) -> AsyncIterator[Service]:
    service = app.create(settings)
    async with started(service):
        yield service


async def publish(service: Service, message: Message) -> None:
    await service.running.jetstream.publish(message.subject, message.model_dump_json().encode())


async def announced(service: Service, job_id: str) -> list[ModelDeployed | DeploymentFailed]:
    async with service.database.read() as session:
        rows = (await session.exec(select(OutboxRow).order_by(col(OutboxRow.id)))).all()
    kinds: dict[str, Any] = {kind.subject: kind for kind in (ModelDeployed, DeploymentFailed)}
    found = [kinds[row.subject].model_validate_json(row.body) for row in rows if row.subject in kinds]
    return [message for message in found if message.correlation_id == job_id]


async def ended(service: Service, wanted: TrainingCompleted) -> ModelDeployed | DeploymentFailed:
    """Its one end; it must have been published."""
    (message,) = await until(lambda: announced(service, wanted.correlation_id), limit_s=120)
    return message


async def end_of(service: Service, wanted: TrainingCompleted) -> ModelDeployed | DeploymentFailed:
    await publish(service, wanted)
    return await ended(service, wanted)


async def deployed(service: Service, wanted: TrainingCompleted) -> ModelDeployed:
    message = await end_of(service, wanted)
    assert isinstance(message, ModelDeployed), message
    return message


async def failure(service: Service, wanted: TrainingCompleted) -> DeploymentFailed:
    message = await end_of(service, wanted)
    assert isinstance(message, DeploymentFailed), message
    return message


async def cancel(service: Service, job: Message) -> None:
    """And wait until it is written down."""
    await publish(service, JobCancelled.caused_by(job))

    async def known() -> bool:
        async with service.database.read() as session:
            return await session.get(CancelledJobRow, job.correlation_id) is not None

    await until(known)


async def stages_of(service: Service, job_id: str) -> asyncio.Queue[JobProgressed]:
    steps: asyncio.Queue[JobProgressed] = asyncio.Queue()

    async def heard(message: Msg) -> None:
        await steps.put(JobProgressed.model_validate_json(message.data))

    await service.running.client.subscribe(subjects.progress(job_id), cb=heard)
    await service.running.client.flush()
    return steps


async def reached(service: Service, wanted: TrainingCompleted, stage: str) -> None:
    """Publish, and wait until the deployment is there."""
    steps = await stages_of(service, wanted.correlation_id)
    await publish(service, wanted)
    async with asyncio.timeout(120):
        while (await steps.get()).stage != stage:
            pass


def versions(settings: HubSettings) -> list[str]:
    """The files of versions, and whatever else lies where they do."""
    folder = settings.data_dir / "models"
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file())
