"""The running generator: it lends the card over NATS, and goes on to the next model when one does not fit."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import nats
import pytest
from fake_ollama import FakeOllama, serving
from gpu_scene import model
from nats.aio.client import Client
from running import started, until

from hone_chassis import RemoteError, rpc
from hone_contracts.artifacts import ArtifactType
from hone_contracts.card import CardLease, CardReleased, ReleaseCard, RenewCard, RequestCard
from hone_contracts.generation import ArtifactGenerated, GenerateArtifact, GenerationFailed
from hone_contracts.ids import new_id
from hone_contracts.registry import Route, RouteModel
from hone_contracts.streams import ROUTES_BUCKET
from hone_generator import app
from hone_generator.settings import GeneratorSettings


@pytest.fixture
async def client(nats_server: Any) -> AsyncIterator[Client]:
    client = await nats.connect(nats_server.url)
    yield client
    await client.close()


@pytest.fixture
def fake() -> Iterator[FakeOllama]:
    with serving(FakeOllama().add("a")) as fake:
        yield fake


async def outcome(client: Client, wanted: str | None = None) -> ArtifactGenerated | GenerationFailed:
    """Of a job that asks for this model, or for the route's."""
    subscription = await client.subscribe("hone.event.>")
    command = GenerateArtifact(
        correlation_id=new_id("job"),
        artifact_type=ArtifactType.MERMAID_ERD,
        requirements="A member has loans.",
        model=wanted,
    )
    await client.jetstream().publish(command.subject, command.model_dump_json().encode())
    kinds = {kind.subject: kind for kind in (ArtifactGenerated, GenerationFailed)}
    async for raw in subscription.messages:
        if raw.subject in kinds:
            await subscription.unsubscribe()
            return kinds[raw.subject].model_validate_json(raw.data)
    raise AssertionError("the bus was closed")


async def test_the_card_is_lent_renewed_and_given_back_over_the_bus(
    nats_server: Any, client: Client, fake: FakeOllama, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OLLAMA_HOST", fake.url)
    monkeypatch.setenv("HONE_GPU_LEASE_IDLE_S", "0")
    service = app.create(GeneratorSettings(data_dir=tmp_path, nats_url=nats_server.url))
    async with started(service):
        lease = await rpc.ask(client, RequestCard.subject, RequestCard(run="run-1"), CardLease, 30)
        assert lease.granted
        assert lease.token is not None
        failed = await outcome(client, "ollama:a")
        assert isinstance(failed, GenerationFailed)
        assert {attempt.error_code for attempt in failed.attempts} == {"card_leased"}
        assert "run-1" in (failed.attempts[0].error or "")
        renewal = RenewCard(run="run-1", token=lease.token)
        assert (await rpc.ask(client, RenewCard.subject, renewal, CardLease)).granted
        with pytest.raises(RemoteError, match="no longer lent"):
            await rpc.ask(client, RenewCard.subject, RenewCard(run="run-2", token=1), CardLease)
        release = ReleaseCard(run="run-1", token=lease.token)
        assert (await rpc.ask(client, ReleaseCard.subject, release, CardReleased)).was_held
        assert not fake.chats
        assert await outcome(client, "ollama:a")
        await until(lambda: fake.chats)


async def test_a_model_that_does_not_fit_is_skipped_and_the_next_one_asked(
    nats_server: Any, client: Client, fake: FakeOllama, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake.add(model("huge", 40), model("small", 4))
    monkeypatch.setenv("OLLAMA_HOST", fake.url)
    monkeypatch.setenv("HONE_GPU_CAPACITY_GIB", f"{fake.url}=24")
    bucket = await client.jetstream().create_key_value(bucket=ROUTES_BUCKET, history=1)
    route = Route(
        artifact_type=ArtifactType.MERMAID_ERD,
        model="ollama:huge",
        fallbacks=(RouteModel(model="ollama:small"),),
        attempts_per_model=1,
    )
    await bucket.put(route.artifact_type, route.model_dump_json().encode())
    service = app.create(GeneratorSettings(data_dir=tmp_path, nats_url=nats_server.url))
    async with started(service):
        told = await outcome(client)
    attempts = told.artifact.attempts if isinstance(told, ArtifactGenerated) else told.attempts
    assert [(each.model, each.error_code) for each in attempts][:1] == [("ollama:huge", "does_not_fit")]
    assert "GiB" in (attempts[0].error or "")
    assert {each.model for each in attempts[1:]} == {"ollama:small"}
    assert {chat["model"] for chat in fake.chats} == {"small:latest"}
    assert [name for name, _ in fake.loads] == ["small:latest"]
