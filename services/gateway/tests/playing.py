"""What the gateway's tests share: a running gateway, and the part of the generator, played in a few lines."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig
from running import started, until

from hone_chassis import Service
from hone_chassis.loop_policy import LoopPolicy
from hone_contracts import streams
from hone_contracts.artifacts import Artifact, ArtifactType, Attempt, Evidence, ValidatorResult
from hone_contracts.generation import ArtifactGenerated, GenerateArtifact
from hone_contracts.ids import new_id
from hone_contracts.messages import Message
from hone_gateway.app import create
from hone_gateway.settings import GatewaySettings

KEY = "test-key-0123456789abcdef"
REQUEST = {"type": "mermaid_erd", "requirements": "A member has many loans."}


def settings(nats_url: str, database_url: str, **more: Any) -> GatewaySettings:
    quick = {"key_cache_s": 0.2, "progress_write_s": 0.05, "events_poll_s": 0.2, "retry_delay_s": 0.05}
    return GatewaySettings.model_validate(
        {"nats_url": nats_url, "database_url": database_url, "admin_key": KEY, "port": 0, **quick, **more}
    )


@dataclass
class Gateway:
    service: Service
    http: httpx.AsyncClient

    @property
    def jetstream(self) -> JetStreamContext:
        return self.service.running.jetstream

    @property
    def client(self) -> Client:
        return self.service.running.client

    async def post(self, document: Any = REQUEST, **headers: str) -> httpx.Response:
        return await self.http.post("/api/artifacts", json=document, headers=headers)

    async def accepted(self) -> str:
        """The id of a job just started."""
        response = await self.post()
        assert response.status_code == 202, response.text
        return str(response.json()["job_id"])

    async def job(self, job_id: str) -> dict[str, Any]:
        response = await self.http.get(f"/api/jobs/{job_id}")
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    async def job_in_list(self, job_id: str) -> None:
        """Wait until there is a job that was not asked for here."""

        async def listed() -> list[str]:
            return [job["id"] for job in (await self.http.get("/api/jobs")).json()["jobs"]]

        await until(listed, lambda ids: job_id in ids)

    async def drained(self) -> None:
        """Until every event has been handled and acknowledged."""

        async def pending() -> int:
            total = 0
            for consumer in self.service.consumers:
                info = await self.jetstream.consumer_info(consumer.stream, consumer.durable)
                total += (info.num_pending or 0) + (info.num_ack_pending or 0)
            return total

        await until(pending, lambda count: count == 0)

    async def artifact(self, **changed: Any) -> str:
        """The id of an artifact that was just generated. ``changed``: of what the generator made."""
        await self.accepted()
        command = await next_command(self.jetstream)
        event = generated(command)
        event = event.model_copy(update={"artifact": event.artifact.model_copy(update=changed)})
        await publish(self.jetstream, event)
        await self.job_in(command.correlation_id, "succeeded")
        return event.artifact.artifact_id

    async def job_in(self, job_id: str, state: str) -> dict[str, Any]:
        return await until(lambda: self.job(job_id), lambda job: job["state"] == state)


@asynccontextmanager
async def running(chosen: GatewaySettings, policy: LoopPolicy | None = None) -> AsyncIterator[Gateway]:
    service = create(chosen, policy)
    headers = {"Authorization": f"Bearer {KEY}"}
    # The client is closed last, so that a test can see through it how the gateway stops.
    async with httpx.AsyncClient(headers=headers, timeout=60) as http, started(service) as url:
        http.base_url = httpx.URL(url)
        yield Gateway(service, http)


async def publish(jetstream: JetStreamContext, message: Message) -> None:
    headers = {"Nats-Msg-Id": str(message.message_id), "correlation_id": message.correlation_id}
    await jetstream.publish(message.subject, message.model_dump_json().encode(), headers=headers)


async def next_command(jetstream: JetStreamContext) -> GenerateArtifact:
    """Take the next command as the generator does."""
    subscription = await jetstream.pull_subscribe(
        GenerateArtifact.subject,
        durable="generator-under-test",
        stream=streams.COMMANDS.name,
        config=ConsumerConfig(ack_policy=AckPolicy.EXPLICIT),
    )
    [message] = await subscription.fetch(1, timeout=60)
    await message.ack_sync()
    await subscription.unsubscribe()
    return GenerateArtifact.model_validate_json(message.data)


def generated(command: GenerateArtifact | None = None, job_id: str = "") -> ArtifactGenerated:
    artifact = Artifact(
        artifact_id=new_id("art"),
        type=ArtifactType.MERMAID_ERD,
        content="erDiagram\n  Member ||--o{ Loan : has\n",
        ir={"entities": []},
        score=81,
        accepted=True,
        model="llamacpp:hone-starter",
        attempts=(Attempt(model="llamacpp:hone-starter", prompt_version="1", score=81),),
        validators=(ValidatorResult(name="syntax", score=100, passed=True),),
        evidence=(Evidence(element="entity:Member", text="A member has many loans."),),
        timings_ms={"total": 12.0},
    )
    if command is not None:
        return ArtifactGenerated.caused_by(command, artifact=artifact)
    return ArtifactGenerated(correlation_id=job_id, artifact=artifact)
