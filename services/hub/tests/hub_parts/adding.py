"""A hub that adds models, what it says of them, and a registry that lets go of them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel
from running import until
from sqlmodel import col, select

from hone_chassis import Service, rpc
from hone_chassis.errors import Permanent
from hone_chassis.tables import OutboxRow
from hone_contracts.hub_models import (
    AddedModel,
    AddedModels,
    AdditionFailed,
    AddModel,
    ListAddedModels,
    ModelAdded,
    ModelReleased,
    ModelRemoved,
    ReleaseModel,
    RemovalFailed,
    RemoveModel,
)
from hone_contracts.ids import new_id
from hone_contracts.messages import Message
from hub_parts.deploying import hub, publish, stages_of

End = ModelAdded | AdditionFailed | ModelRemoved | RemovalFailed
_KINDS: dict[str, Any] = {
    kind.subject: kind for kind in (ModelAdded, AdditionFailed, ModelRemoved, RemovalFailed)
}


@dataclass
class PlayedRegistry:
    """Answers ReleaseModel over the broker. ``in_use`` are references that routes name."""

    in_use: set[str] = field(default_factory=set)
    released: list[tuple[str, ...]] = field(default_factory=list)

    async def release(self, question: ReleaseModel) -> BaseModel:
        if used := self.in_use & set(question.references):
            detail = f"{used} answers for user_stories; let another model answer there first"
            raise Permanent("model_in_use", "The model is in use", detail, 409)
        self.released.append(question.references)
        return ModelReleased(references=question.references)


@asynccontextmanager
async def adding(settings: Any) -> AsyncIterator[tuple[Service, PlayedRegistry]]:
    registry = PlayedRegistry()
    async with hub(settings) as service:
        answer = rpc.answering(ReleaseModel.subject, ReleaseModel, registry.release)

        async def reply(message: Any) -> None:
            await message.respond(await answer(message.data))

        await service.running.client.subscribe(ReleaseModel.subject, cb=reply)
        yield service, registry


def order(source: str, **more: Any) -> AddModel:
    return AddModel(correlation_id=new_id("job"), source=source, **more)


async def ends(service: Service, job_id: str) -> list[End]:
    async with service.database.read() as session:
        rows = (await session.exec(select(OutboxRow).order_by(col(OutboxRow.id)))).all()
    found = [_KINDS[row.subject].model_validate_json(row.body) for row in rows if row.subject in _KINDS]
    return [message for message in found if message.correlation_id == job_id]


def ends_in(database: Path, job_id: str) -> list[End]:
    """As ``ends``, of a hub in another process."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)) as connection:
        rows = connection.execute("SELECT subject, body FROM outbox ORDER BY id").fetchall()
    found = [_KINDS[subject].model_validate_json(body) for subject, body in rows if subject in _KINDS]
    return [message for message in found if message.correlation_id == job_id]


async def end_of(service: Service, wanted: Message) -> End:
    await publish(service, wanted)
    (message,) = await until(lambda: ends(service, wanted.correlation_id), limit_s=120)
    return message


async def added(service: Service, wanted: AddModel) -> AddedModel:
    message = await end_of(service, wanted)
    assert isinstance(message, ModelAdded), message
    return message.model


async def refusal(service: Service, wanted: Message) -> tuple[str, str]:
    """Code and detail."""
    message = await end_of(service, wanted)
    assert isinstance(message, AdditionFailed | RemovalFailed), message
    assert "; " in message.error.detail or ": " in message.error.detail, "it says what to do"
    return message.error.code, message.error.detail


async def reached(service: Service, wanted: Message, stage: str, done_bytes: int = 0) -> None:
    """Publish, and wait until it is there."""
    steps = await stages_of(service, wanted.correlation_id)
    await publish(service, wanted)
    async with asyncio.timeout(120):
        while True:
            step = await steps.get()
            if step.stage == stage and (step.done or 0) >= done_bytes:
                return


def workers(module: str) -> list[psutil.Process]:
    """Of the hubs that this process runs."""
    found = []
    for each in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if module in each.cmdline():
                found.append(each)
    return found


async def removed(service: Service, name: str) -> ModelRemoved:
    message = await end_of(service, RemoveModel(correlation_id=new_id("job"), name=name))
    assert isinstance(message, ModelRemoved), message
    return message


async def listed(service: Service) -> tuple[AddedModel, ...]:
    client = service.running.client
    return (await rpc.ask(client, ListAddedModels.subject, ListAddedModels(), AddedModels)).models
