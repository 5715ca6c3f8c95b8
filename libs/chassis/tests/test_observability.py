"""What an operator sees: health, metrics, logs that name the job, traces across the bus, the AsyncAPI document."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from counting.app import counting_service, settings
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from running import started, until
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis import RemoteError, Service, ServiceUnavailable, announce, rpc, tracing
from hone_chassis.errors import Permanent
from hone_contracts.artifacts import ArtifactType
from hone_contracts.generation import GenerateArtifact
from hone_contracts.ids import new_id
from hone_contracts.job_messages import JobCancelled
from hone_contracts.messages import Message
from hone_contracts.registry import ListModels, Models, ShowModel


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"


def command() -> GenerateArtifact:
    return GenerateArtifact(
        correlation_id=new_id("job"), artifact_type=ArtifactType.MERMAID_ERD, requirements="A member."
    )


async def send(service: Service, message: Message) -> None:
    async with service.database.write() as session:
        announce(session, message)


async def test_readiness_names_what_is_wrong(nats_server: Any, sqlite_url: str, tmp_path: Path) -> None:
    service = counting_service(settings(nats_server.url, sqlite_url, tmp_path))

    async def model() -> str | None:
        return "no model is loaded"

    async with started(service) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/health/ready")).status_code == 200
        service.health.add("model", model)
        refused = await client.get("/health/ready")
        assert (refused.status_code, refused.json()["troubles"]) == (503, {"model": "no model is loaded"})
        assert (await client.get("/health/live")).status_code == 200
        nats_server.kill()

        async def broker_missed() -> bool:
            return "broker" in (await client.get("/health/ready")).json()["troubles"]

        await until(broker_missed)


async def test_metrics_count_what_was_handled(nats_server: Any, sqlite_url: str, tmp_path: Path) -> None:
    service = counting_service(settings(nats_server.url, sqlite_url, tmp_path))

    async def handle(message: JobCancelled, session: AsyncSession) -> Iterable[Message]:
        return ()

    service.handles(JobCancelled, handle)
    async with started(service) as url, httpx.AsyncClient(base_url=url) as client:
        await send(service, JobCancelled(correlation_id=new_id("job")))

        async def counted() -> bool:
            text = (await client.get("/metrics")).text
            return 'hone_messages_handled_total{outcome="done",subject="hone.event.job.cancelled.v1"}' in text

        await until(counted)


async def test_a_request_to_another_service_is_answered_or_fails_with_a_reason(
    nats_server: Any, sqlite_url: str, tmp_path: Path
) -> None:
    service = counting_service(settings(nats_server.url, sqlite_url, tmp_path))

    async def models(question: ListModels) -> Models:
        return Models(models=())

    async def show(question: ShowModel) -> Models:
        if question.name == "bug":
            raise ZeroDivisionError
        raise Permanent("no_model", "No such model", f"there is no {question.name}", 404)

    service.answers(ListModels, models)
    service.answers(ShowModel, show)
    async with started(service):
        client = service.running.client
        assert await rpc.ask(client, ListModels.subject, ListModels(), Models) == Models(models=())
        with pytest.raises(RemoteError) as missing:
            await rpc.ask(client, ShowModel.subject, ShowModel(name="x"), Models)
        assert (missing.value.body.code, missing.value.body.status) == ("no_model", 404)
        with pytest.raises(RemoteError) as bug:
            await rpc.ask(client, ShowModel.subject, ShowModel(name="bug"), Models)
        assert bug.value.body.code == "internal"
        with pytest.raises(ServiceUnavailable, match="nobody listens"):
            await rpc.ask(client, "hone.rpc.nobody.v1", ListModels(), Models)


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    before = trace._TRACER_PROVIDER
    trace._TRACER_PROVIDER = provider
    yield exporter
    trace._TRACER_PROVIDER = before


async def test_a_trace_goes_on_across_the_bus(
    nats_server: Any, sqlite_url: str, tmp_path: Path, spans: InMemorySpanExporter
) -> None:
    service = counting_service(settings(nats_server.url, sqlite_url, tmp_path))

    async def handle(message: JobCancelled, session: AsyncSession) -> Iterable[Message]:
        with tracing.span("inside"):
            return ()

    service.handles(JobCancelled, handle)
    async with started(service):
        with tracing.span("request"):
            await send(service, JobCancelled(correlation_id=new_id("job")))

        async def all_ended() -> bool:
            return {span.name for span in spans.get_finished_spans()} >= {"request", "inside"}

        await until(all_ended)
    by_name = {span.name: span for span in spans.get_finished_spans()}
    handled = by_name[f"handle {JobCancelled.subject}"]
    assert handled.parent is not None and handled.parent.span_id == by_name["request"].context.span_id
    assert (
        by_name["inside"].parent is not None and by_name["inside"].parent.span_id == handled.context.span_id
    )


@asynccontextmanager
async def logging_process(nats_url: str, tmp_path: Path) -> AsyncIterator[asyncio.StreamReader]:
    """A process of its own, because how it logs is set for a whole process; what it writes to its log."""
    where = {"HONE_NATS_URL": nats_url, "HONE_DATA_DIR": str(tmp_path), "HONE_PORT": "0"}
    paths = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "import hone_chassis; hone_chassis.serve('counting.speaking')"),
        env={**os.environ, **where, "PYTHONPATH": paths},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        yield process.stderr
    finally:
        process.terminate()
        await process.communicate()


async def test_logs_are_json_lines_that_name_the_service_and_the_job(
    nats_server: Any, sqlite_url: str, tmp_path: Path
) -> None:
    async with logging_process(nats_server.url, tmp_path) as log:

        async def said(event: str) -> dict[str, Any]:
            while (line := json.loads(await log.readline()))["event"] != event:
                pass
            found: dict[str, Any] = line
            return found

        sender = counting_service(settings(nats_server.url, sqlite_url, tmp_path), "sender")
        sent = command()
        async with started(sender):
            await send(sender, sent)
            line = await said("handling")
    assert (line["service"], line["correlation_id"]) == ("counter", sent.correlation_id)
    assert line["detail"] == {"é": 1}


def test_the_asyncapi_document_names_each_message_and_its_channel(tmp_path: Path) -> None:
    from hone_chassis.asyncapi import document  # noqa: PLC0415

    service = counting_service(
        settings("nats://hone:s3cret@127.0.0.1:4222", f"sqlite+aiosqlite:///{tmp_path}/a", tmp_path)
    )

    async def handle(message: GenerateArtifact, session: AsyncSession) -> Iterable[Message]:
        return ()

    service.handles(GenerateArtifact, handle)

    async def listen(body: bytes) -> None:
        del body

    service.announces(JobCancelled)
    service.hears("hone.progress.*", listen)
    made = document(service)
    text = json.dumps(made)
    assert made["asyncapi"].startswith("3.")
    assert {GenerateArtifact.subject, JobCancelled.subject, "hone.progress.*"} <= {
        each["address"] for each in made["channels"].values()
    }
    assert "requirements" in text
    assert "s3cret" not in text
