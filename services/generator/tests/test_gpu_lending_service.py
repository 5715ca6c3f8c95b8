"""The running generator lends the card over NATS, and jobs fall back meanwhile."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import nats
import pytest
from fake_ollama import FakeOllama, serving
from nats.aio.client import Client
from running import started, until

from hone_chassis import RemoteError, rpc
from hone_contracts.artifacts import ArtifactType
from hone_contracts.card import CardLease, CardReleased, ReleaseCard, RenewCard, RequestCard
from hone_contracts.generation import ArtifactGenerated, GenerateArtifact, GenerationFailed
from hone_contracts.ids import new_id
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


async def outcome(client: Client, model: str) -> ArtifactGenerated | GenerationFailed:
    """Of a job that asks for this model."""
    subscription = await client.subscribe("hone.event.>")
    command = GenerateArtifact(
        correlation_id=new_id("job"),
        artifact_type=ArtifactType.MERMAID_ERD,
        requirements="A member has loans.",
        model=model,
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
