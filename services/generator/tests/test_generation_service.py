"""The generator as a service, on a real nats-server, SQLite and PostgreSQL, with Mermaid's real grammar."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import nats
import psutil
import pytest
from nats.aio.client import Client
from running import started, until
from scripted_provider import Script, ScriptedProvider

from hone_chassis.dead_letters import Cemetery
from hone_chassis.service import Service
from hone_contracts.artifacts import ArtifactType
from hone_contracts.generation import ArtifactGenerated, GenerateArtifact, GenerationFailed
from hone_contracts.ids import new_id
from hone_contracts.job_messages import JobCancelled
from hone_contracts.messages import Message
from hone_contracts.registry import Route
from hone_contracts.streams import ROUTES_BUCKET
from hone_generator import app
from hone_generator.artifacts import KINDS
from hone_generator.providers.errors import ModelLoadFailed, ProviderUnavailable
from hone_generator.settings import GeneratorSettings

TEXT = "Each member has a name and an email. A member can have many loans."
FACTS = (
    '[{"a":"member","l":{"name":"string","email":"string"}}]',
    '[{"r":["member","1:N","loans"]}]',
)


def facts(number: int, _request: object) -> str:
    return FACTS[number % 2]


@pytest.fixture
async def broker(nats_server: Any) -> AsyncIterator[Client]:
    client = await nats.connect(nats_server.url)
    yield client
    if client.is_connected:
        await client.close()


class Bench:
    """A running generator, and the messages that came from it."""

    def __init__(self, service: Service, provider: ScriptedProvider, client: Client) -> None:
        self.service, self.provider, self.client = service, provider, client
        self.jetstream = client.jetstream()

    async def send(self, message: Message) -> None:
        await self.jetstream.publish(message.subject, message.model_dump_json().encode())

    async def events(self) -> list[Message]:
        state = (await self.jetstream.stream_info("HONE_EVENTS")).state
        found: list[Message] = []
        for sequence in range(1, state.last_seq + 1):
            raw = await self.jetstream.get_msg("HONE_EVENTS", sequence)
            kinds = {kind.subject: kind for kind in (ArtifactGenerated, GenerationFailed)}
            if raw.subject in kinds:
                found.append(kinds[raw.subject].model_validate_json(raw.data or b""))
        return found

    async def answer(self) -> Message:
        async def answered() -> bool:
            return bool(await self.events())

        await until(answered)
        (only,) = await self.events()
        return only

    async def waiting(self) -> int:
        """Commands that nobody has finished."""
        return (await self.jetstream.stream_info("HONE_COMMANDS")).state.messages

    async def all_taken(self) -> None:
        async def empty() -> bool:
            return await self.waiting() == 0

        await until(empty)


@asynccontextmanager
async def generator(
    client: Client,
    url: str,
    database_url: str,
    folder: Path,
    script: Script = facts,
    hold: asyncio.Event | None = None,
    also: Collection[str] = ("llamacpp",),
    route: Mapping[str, Any] = MappingProxyType({}),
) -> AsyncIterator[Bench]:
    provider = ScriptedProvider(script, hold)
    settings = GeneratorSettings(
        nats_url=url, database_url=database_url, data_dir=folder, ack_wait_s=1.0, retry_delay_s=0.05, max_deliver=3,
        graceful_timeout_s=0.2,
    )  # fmt: skip
    bucket = await client.jetstream().create_key_value(bucket=ROUTES_BUCKET, history=1)
    own = {"artifact_type": ArtifactType.MERMAID_ERD, "model": "llamacpp:hone-starter", "reading": "passages"}
    whole = Route(**(own | dict(route)))
    await bucket.put(whole.artifact_type, whole.model_dump_json().encode())
    service = app.create(settings, dict.fromkeys(also, provider))
    async with started(service):
        yield Bench(service, provider, client)


def command(**more: Any) -> GenerateArtifact:
    fields = {
        "correlation_id": new_id("job"),
        "artifact_type": ArtifactType.MERMAID_ERD,
        "requirements": TEXT,
    }
    return GenerateArtifact(**(fields | more))


async def test_requirements_become_a_valid_diagram_with_a_score_and_evidence(
    broker: Client, nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    async with generator(broker, nats_server.url, database_url, tmp_path) as bench:
        sent = command()
        await bench.send(sent)
        answer = await bench.answer()
    assert isinstance(answer, ArtifactGenerated)
    artifact = answer.artifact
    assert (answer.correlation_id, answer.causation_id) == (sent.correlation_id, sent.message_id)
    assert artifact.content.startswith("erDiagram")
    assert {each.name: each.passed for each in artifact.validators}["syntax"]
    assert {each.element for each in artifact.evidence} >= {"entity:Member", "attribute:Member.email"}
    assert artifact.accepted and artifact.score >= 60
    assert (artifact.attempts[0].prompt_tokens, artifact.attempts[0].completion_tokens) == (20, 10)
    assert artifact.reasons


async def test_an_answer_that_is_no_answer_lowers_the_score_and_fails_nothing(
    broker: Client, nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    def garbage(number: int, request: object) -> str:
        return "I am sorry, but" if number == 0 else FACTS[1]

    async with generator(broker, nats_server.url, database_url, tmp_path, garbage) as bench:
        await bench.send(command())
        answer = await bench.answer()
    assert isinstance(answer, ArtifactGenerated)
    assert any("passage 1" in reason for reason in answer.artifact.reasons)


async def test_a_whole_answer_that_cannot_be_read_is_a_low_score_with_the_reason(
    broker: Client, nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    ollama = {"llamacpp", "ollama"}

    async with generator(
        broker, nats_server.url, database_url, tmp_path, lambda *_: "{", also=ollama
    ) as bench:
        await bench.send(command(model="ollama:qwen2.5-coder:7b"))
        answer = await bench.answer()
    assert isinstance(answer, ArtifactGenerated)
    assert (answer.artifact.model, answer.artifact.accepted) == ("ollama:qwen2.5-coder:7b", False)
    assert "could not be read" in answer.artifact.reasons[-1]
    assert [each.kind for each in answer.artifact.attempts] == ["first", "repair", "repair"]
    assert "could not be read" in bench.provider.requests[1].messages[-1].content


async def test_nothing_understood_is_an_empty_diagram_that_is_not_accepted(
    broker: Client, nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    async with generator(broker, nats_server.url, database_url, tmp_path, lambda *_: "[]") as bench:
        await bench.send(command())
        answer = await bench.answer()
    assert isinstance(answer, ArtifactGenerated)
    assert not answer.artifact.accepted
    assert answer.artifact.advice is not None and "ollama pull" in answer.artifact.advice


async def test_a_model_that_cannot_be_loaded_fails_the_job_with_the_reason(
    broker: Client, nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    def broken(number: int, request: object) -> Exception:
        return ModelLoadFailed("llamacpp:hone-starter", "the file is cut short")

    async with generator(broker, nats_server.url, database_url, tmp_path, broken) as bench:
        await bench.send(command())
        answer = await bench.answer()
    assert isinstance(answer, GenerationFailed)
    assert "cut short" in answer.error.detail


async def test_a_model_that_goes_away_is_asked_again(
    broker: Client, nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    def once_gone(number: int, request: object) -> str | Exception:
        return ProviderUnavailable("llamacpp", "killed") if number == 0 else FACTS[number % 2]

    async with generator(broker, nats_server.url, database_url, tmp_path, once_gone) as bench:
        await bench.send(command())
        assert isinstance(await bench.answer(), ArtifactGenerated)


async def test_a_model_that_stays_away_fails_the_job_with_each_attempt_and_comes_never_again(
    broker: Client, nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    def gone(number: int, request: object) -> Exception:
        return ProviderUnavailable("llamacpp", "killed by signal 9")

    async with generator(broker, nats_server.url, database_url, tmp_path, gone) as bench:
        await bench.send(command())
        answer = await bench.answer()
        await bench.all_taken()
        assert await Cemetery(bench.jetstream).newest(5) == []
    assert isinstance(answer, GenerationFailed)
    assert "signal 9" in answer.error.detail
    assert [each.error_code for each in answer.attempts] == ["unavailable"] * 3


async def test_a_type_that_is_not_there_yet_is_said_to_be_not_there(
    broker: Client, nats_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, erd = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}", ArtifactType.MERMAID_ERD
    monkeypatch.setattr(app, "KINDS", {erd: KINDS[erd]})
    async with generator(broker, nats_server.url, url, tmp_path) as bench:
        await bench.send(command(artifact_type=ArtifactType.OPENAPI))
        answer = await bench.answer()
    assert isinstance(answer, GenerationFailed)
    assert "mermaid_erd" in answer.error.detail


async def test_a_context_that_is_not_there_is_not_silently_left_out(
    broker: Client, nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    async with generator(broker, nats_server.url, database_url, tmp_path) as bench:
        await bench.send(command(context="shop"))
        answer = await bench.answer()
    assert isinstance(answer, GenerationFailed)
    assert "shop" in answer.error.detail


async def test_an_unknown_provider_is_named(
    broker: Client, nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    async with generator(broker, nats_server.url, database_url, tmp_path) as bench:
        await bench.send(command(model="gemini:gemini-2.0-flash"))
        answer = await bench.answer()
    assert isinstance(answer, GenerationFailed)
    assert "gemini" in answer.error.detail


async def test_a_model_of_the_cloud_is_not_asked_unless_the_route_allows_it(
    broker: Client, nats_server: Any, tmp_path: Path
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    async with generator(broker, nats_server.url, url, tmp_path, also=("llamacpp", "gemini")) as bench:
        bench.provider.local = False
        await bench.send(command(model="gemini:gemini-2.5-flash"))
        answer = await bench.answer()
    assert isinstance(answer, GenerationFailed)
    assert (answer.error.code, answer.error.status) == ("cloud_not_allowed", 403)
    assert "cloud: true" in answer.error.detail
    assert bench.provider.requests == []


async def test_a_type_without_a_route_fails_soon_and_says_how_to_set_one(
    broker: Client, nats_server: Any, tmp_path: Path
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    async with generator(broker, nats_server.url, url, tmp_path) as bench:
        await bench.send(command(artifact_type=ArtifactType.MERMAID_SEQUENCE))
        answer = await bench.answer()
    assert isinstance(answer, GenerationFailed)
    assert answer.error.code == "no_route"
    assert "hone routes apply" in answer.error.detail and "ollama pull" in answer.error.detail


async def test_a_route_that_is_switched_off_says_how_to_switch_it_on(
    broker: Client, nats_server: Any, tmp_path: Path
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    async with generator(broker, nats_server.url, url, tmp_path, route={"enabled": False}) as bench:
        await bench.send(command())
        answer = await bench.answer()
    assert isinstance(answer, GenerationFailed)
    assert "hone routes apply" in answer.error.detail


async def test_an_option_that_the_type_does_not_take_is_refused_before_anybody_is_asked(
    broker: Client, nats_server: Any, tmp_path: Path
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    sql = {"artifact_type": ArtifactType.SQL_DDL}
    async with generator(broker, nats_server.url, url, tmp_path, route=sql) as bench:
        await bench.send(command(options={"dialect": "oracle"}, **sql))
        answer = await bench.answer()
    assert isinstance(answer, GenerationFailed)
    assert (answer.error.code, answer.error.status) == ("bad_option", 422)
    assert "sqlite" in answer.error.detail
    assert bench.provider.requests == []


async def test_the_projects_own_text_reaches_the_model_as_data(
    broker: Client, nats_server: Any, tmp_path: Path
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    general = {"model": "ollama:qwen2.5-coder:7b", "reading": "whole"}
    async with generator(
        broker, nats_server.url, url, tmp_path, lambda *_: "{}", also=("ollama",), route=general
    ) as bench:
        await bench.send(command(context_text="class Borrower: ..."))
        await bench.answer()
    system, user, *_ = bench.provider.requests[0].messages
    assert "Borrower" in user.content and "Borrower" not in system.content


async def test_identical_requests_at_the_same_time_ask_the_model_once(
    broker: Client, nats_server: Any, tmp_path: Path
) -> None:
    url, hold = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}", asyncio.Event()
    async with generator(broker, nats_server.url, url, tmp_path, hold=hold) as bench:
        first, second = command(), command()
        await bench.send(first)
        await bench.provider.asked.wait()
        heard = await broker.subscribe(f"hone.progress.{second.correlation_id}")
        await bench.send(second)
        await heard.next_msg(timeout=30)  # it has joined
        await bench.send(JobCancelled.caused_by(first))

        async def alone() -> bool:
            return await bench.waiting() == 1

        await until(alone)
        hold.set()
        answer = await bench.answer()
    assert isinstance(answer, ArtifactGenerated)
    assert answer.correlation_id == second.correlation_id
    assert bench.provider.stopped == 0  # the first one's end was not the work's
    assert len(bench.provider.requests) == 2  # two passages, once


async def test_a_cancelled_job_stops_the_model_and_says_nothing(
    broker: Client, nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    async with generator(broker, nats_server.url, database_url, tmp_path, hold=asyncio.Event()) as bench:
        sent = command()
        await bench.send(sent)
        await bench.provider.asked.wait()
        await bench.send(JobCancelled.caused_by(sent))
        await bench.all_taken()
        assert await bench.events() == []
    assert bench.provider.stopped == 1


async def test_a_job_cancelled_before_it_began_is_not_begun(
    broker: Client, nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    async with generator(broker, nats_server.url, database_url, tmp_path) as bench:
        sent = command()
        cancelled = JobCancelled.caused_by(sent)
        await bench.send(cancelled)

        async def recorded() -> bool:
            durable = next(each for each in bench.service.consumers if each.subject == JobCancelled.subject)
            info = await bench.jetstream.consumer_info(durable.stream, durable.durable)
            return info.ack_floor is not None and info.ack_floor.stream_seq >= 1

        await until(recorded)
        await bench.send(sent)
        await bench.all_taken()
    assert bench.provider.requests == []


async def test_a_dead_mermaid_process_does_not_stop_the_next_job(
    broker: Client, nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    async with generator(broker, nats_server.url, database_url, tmp_path) as bench:
        for expected in (1, 2):
            await bench.send(command())

            async def answered(expected: int = expected) -> bool:
                return len(await bench.events()) == expected

            await until(answered)
            (node,) = [
                child for child in psutil.Process().children() if "parser.mjs" in " ".join(child.cmdline())
            ]
            node.kill()
        assert all(isinstance(event, ArtifactGenerated) for event in await bench.events())
