"""Evaluations by the generator as a service, on a real nats-server; the shipped model as two versions."""

import asyncio
import json
import shutil
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nats
import psutil
import pytest
from nats.aio.client import Client
from running import started, until
from scripted_provider import Script, ScriptedProvider

from hone_chassis import rpc
from hone_chassis.dead_letters import Cemetery
from hone_contracts.artifacts import ArtifactType
from hone_contracts.evaluation import EvaluateVersions, EvaluationCompleted, EvaluationFailed
from hone_contracts.ids import new_id
from hone_contracts.job_messages import JobCancelled
from hone_contracts.messages import JobProgressed, Message
from hone_contracts.models import ModelRef
from hone_contracts.registry import Route, ServedVersion
from hone_contracts.streams import ROUTES_BUCKET
from hone_contracts.teaching import (
    CompareArtifacts,
    Comparison,
    ExampleText,
    RenderedExamples,
    RenderExamples,
)
from hone_generator import app
from hone_generator.providers.base import Chunk, GenerationRequest
from hone_generator.providers.errors import ProviderUnavailable
from hone_generator.settings import GeneratorSettings

ERD = ArtifactType.MERMAID_ERD
MODEL = "llamacpp:hone-starter"
STARTER = Path(__file__).parents[3] / "libs/hone/hone/starter/hone-starter-q8_0.gguf"
TEXT = "Each member has a name and an email. A member can have many loans."
RIGHT = 'erDiagram\n  Member {\n    string name\n    string email\n  }\n  Loan {\n  }\n  Member ||--o{ Loan : "has"\n'
FACTS = (
    '[{"a":"member","l":{"name":"string","email":"string"}}]',
    '[{"r":["member","1:N","loans"]}]',
)


@pytest.fixture
async def broker(nats_server: Any) -> AsyncIterator[Client]:
    client = await nats.connect(nats_server.url)
    yield client
    if client.is_connected:
        await client.close()


class Bench:
    """Who asks for evaluations and hears what came of them."""

    def __init__(self, client: Client, url: str, database_url: str, folder: Path) -> None:
        self.client, self.jetstream, self.folder = client, client.jetstream(), folder
        self.settings = GeneratorSettings(
            nats_url=url, database_url=database_url, data_dir=folder, ack_wait_s=1.0, retry_delay_s=0.05,
            max_deliver=5, graceful_timeout_s=0.2,
        )  # fmt: skip

    @asynccontextmanager
    async def generator(self, provider: ScriptedProvider | None = None) -> AsyncIterator[None]:
        """``provider`` None: the real ones."""
        route = Route(artifact_type=ERD, model=MODEL, reading="passages")
        bucket = await self.jetstream.create_key_value(bucket=ROUTES_BUCKET, history=1)
        await bucket.put(ERD, route.model_dump_json().encode())
        known = None if provider is None else {"llamacpp": provider, "ollama": provider}
        async with started(app.create(self.settings, known)):
            yield

    def held_out(self, count: int, **more: Any) -> str:
        path = self.folder / "trainer" / "datasets" / "d" / "held_out.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        items = [
            {"item": str(number), "requirements": TEXT, "reference": RIGHT} | more for number in range(count)
        ]
        path.write_text("".join(f"{json.dumps(each)}\n" for each in items))
        return path.as_uri()

    def model_file(self, name: str) -> ServedVersion:
        path = self.folder / "models" / f"{name}.gguf"
        path.parent.mkdir(exist_ok=True)
        shutil.copy(STARTER, path)
        return ServedVersion(model_uri=path.as_uri(), model_sha256="00", version=int(name[-1]))

    async def send(self, message: Message) -> None:
        await self.jetstream.publish(message.subject, message.model_dump_json().encode())

    async def told(self) -> list[Message]:
        last = (await self.jetstream.stream_info("HONE_EVENTS")).state.last_seq
        kinds = {kind.subject: kind for kind in (EvaluationCompleted, EvaluationFailed)}
        found = [await self.jetstream.get_msg("HONE_EVENTS", each) for each in range(1, last + 1)]
        return [
            kinds[raw.subject].model_validate_json(raw.data or b"") for raw in found if raw.subject in kinds
        ]

    async def outcome(self) -> Message:
        (only,) = await until(self.told, limit_s=120.0)
        return only

    async def all_taken(self) -> None:
        async def waiting() -> int:
            return (await self.jetstream.stream_info("HONE_COMMANDS")).state.messages

        await until(waiting, lambda count: count == 0)


@pytest.fixture
def bench(broker: Client, nats_server: Any, database_url: str, tmp_path: Path) -> Bench:
    return Bench(broker, nats_server.url, database_url, tmp_path)


def command(uri: str, **more: Any) -> EvaluateVersions:
    fields = {
        "correlation_id": new_id("job"), "artifact_type": ERD, "model": MODEL, "reading": "passages",
        "champion": ServedVersion(version=1), "challenger": ServedVersion(version=2, served_by="llamacpp:two"),
        "held_out_uri": uri,
    }  # fmt: skip
    return EvaluateVersions(**(fields | more))


def scripted(script: Script | None = None, hold: asyncio.Event | None = None) -> ScriptedProvider:
    def facts(_number: int, request: Any) -> str:
        return FACTS["loans" in request.messages[-1].content]

    return ScriptedProvider(script or facts, hold)


async def test_two_versions_in_this_process_answer_side_by_side(bench: Bench) -> None:
    one, two = bench.model_file("v1"), bench.model_file("v2")
    two = two.model_copy(update={"served_by": f"{MODEL}-v2"})
    heard: list[JobProgressed] = []
    sent = command(bench.held_out(4, corrected=True, group="g"), champion=one, challenger=two)

    async def hear(message: Any) -> None:
        heard.append(JobProgressed.model_validate_json(message.data))

    await bench.client.subscribe(f"hone.progress.{sent.correlation_id}", cb=hear)
    async with bench.generator():
        await bench.send(sent)
        outcome = await bench.outcome()
        hosts = [
            child
            for child in psutil.Process().children(recursive=True)
            if "llamacpp_host" in " ".join(child.cmdline())
        ]
        files = {str(bench.folder / "models" / name) for name in ("v1.gguf", "v2.gguf")}
        assert {path for path in files for host in hosts if path in " ".join(host.cmdline())} == files
    assert isinstance(outcome, EvaluationCompleted)
    assert (outcome.correlation_id, outcome.causation_id) == (sent.correlation_id, sent.message_id)
    assert (outcome.champion, outcome.challenger, outcome.model) == (1, 2, MODEL)
    assert [each.item for each in outcome.pairs] == ["0", "1", "2", "3"]
    for pair in outcome.pairs:
        assert pair.corrected and pair.group == "g"
        assert pair.champion.score == pair.challenger.score  # it is the same file
        assert pair.champion.overall_f1 == pair.challenger.overall_f1 and pair.champion.overall_f1
        assert pair.champion.tokens > 0 and pair.challenger.latency_ms > 0
    counted = [(each.done, each.total) for each in heard if each.stage == "evaluating"]
    assert counted == [(number, 4) for number in range(5)]


class Recording(ScriptedProvider):
    """Keeps who is asked, in order, and how many at a time."""

    def __init__(self, script: Script) -> None:
        super().__init__(script)
        self.models_asked: list[str] = []
        self.most_at_once = self._at_once = 0

    async def generate(self, model: ModelRef, request: GenerationRequest) -> AsyncGenerator[Chunk, None]:
        self.models_asked.append(model.name)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        await asyncio.sleep(0.02)
        async for chunk in super().generate(model, request):
            yield chunk
        self._at_once -= 1


@pytest.mark.parametrize(("model", "at_once"), [(MODEL, 1), ("ollama:hone-starter", 2)])
async def test_who_goes_first_changes_and_versions_in_this_process_answer_one_by_one(
    bench: Bench, model: str, at_once: int
) -> None:
    provider = Recording(lambda *_: FACTS[0])
    text = {"requirements": "Each member has a name and an email."}
    second = ServedVersion(version=2, served_by=f"{model.partition(':')[0]}:two")
    async with bench.generator(provider):
        await bench.send(command(bench.held_out(3, **text), model=model, challenger=second))
        await bench.outcome()
    one, two = "hone-starter", "two"
    assert provider.most_at_once == at_once
    if at_once == 1:
        assert provider.models_asked == [
            one,
            two,
            *(one, two),
            *(two, one),
            *(one, two),
        ]  # the first two warm up


async def test_an_evaluation_that_takes_too_long_tells_of_what_was_answered(bench: Bench) -> None:
    bench.settings = bench.settings.model_copy(update={"evaluation_limit_s": 1e-6})
    async with bench.generator(scripted()):
        await bench.send(command(bench.held_out(5)))
        outcome = await bench.outcome()
    assert isinstance(outcome, EvaluationCompleted)
    assert [each.item for each in outcome.pairs] == ["0"] and outcome.pairs[0].champion.score


async def test_an_evaluation_that_comes_again_is_told_once(bench: Bench) -> None:
    sent = command(bench.held_out(2))
    async with bench.generator(scripted()):
        await bench.send(sent)
        await bench.outcome()
        await bench.send(sent)
        await bench.all_taken()
        assert len(await bench.told()) == 1


async def test_an_evaluation_whose_generator_dies_is_done_by_the_next_one(bench: Bench) -> None:
    sent, first, second = command(bench.held_out(2)), scripted(hold=asyncio.Event()), scripted()
    async with bench.generator(first):
        await bench.send(sent)
        await first.asked.wait()
    assert await bench.told() == []
    async with bench.generator(second):
        outcome = await bench.outcome()
        await bench.all_taken()
        assert len(await bench.told()) == 1
    assert isinstance(outcome, EvaluationCompleted) and len(outcome.pairs) == 2


async def test_a_cancelled_evaluation_stops_the_model_and_says_nothing(bench: Bench) -> None:
    sent, provider = command(bench.held_out(2)), scripted(hold=asyncio.Event())
    async with bench.generator(provider):
        await bench.send(sent)
        await provider.asked.wait()
        await bench.send(JobCancelled.caused_by(sent))
        await bench.all_taken()
        assert await bench.told() == []
        assert await Cemetery(bench.jetstream).newest(5) == []
    assert provider.stopped == 1


async def test_the_trainers_questions_about_texts_are_answered(bench: Bench) -> None:
    compare = CompareArtifacts(artifact_type=ERD, content=RIGHT, reference=RIGHT)
    example = ExampleText(requirements=TEXT, content=RIGHT)
    render = RenderExamples(artifact_type=ERD, reading="passages", examples=(example,))
    async with bench.generator(scripted()):
        compared = await rpc.ask(bench.client, CompareArtifacts.subject, compare, Comparison)
        rendered = await rpc.ask(bench.client, RenderExamples.subject, render, RenderedExamples)
    assert compared.distance == 0
    assert rendered.examples[0].pairs


async def test_without_its_prompts_an_evaluation_fails_with_the_reason(bench: Bench) -> None:
    gone = (bench.folder / "trainer" / "gone.jsonl").as_uri()
    async with bench.generator(scripted()):
        await bench.send(command(gone))
        outcome = await bench.outcome()
    assert isinstance(outcome, EvaluationFailed)
    assert (outcome.error.code, outcome.challenger) == ("held_out_unusable", 2)
    assert "gone.jsonl" in outcome.error.detail


async def test_an_evaluation_that_nobody_answered_fails_with_what_was_met(bench: Bench) -> None:
    def gone(_number: int, _request: object) -> Exception:
        return ProviderUnavailable("llamacpp", "killed by signal 9")

    async with bench.generator(scripted(gone)):
        await bench.send(command(bench.held_out(1)))
        outcome = await bench.outcome()
    assert isinstance(outcome, EvaluationFailed)
    assert outcome.error.code == "nothing_answered" and "signal 9" in outcome.error.detail
