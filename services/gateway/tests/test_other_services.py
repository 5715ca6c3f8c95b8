"""What the gateway asks other services, and what it says when they refuse or do not answer."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from nats.aio.msg import Msg
from playing import Gateway
from pydantic import BaseModel

from hone_chassis.errors import Permanent
from hone_chassis.rpc import answering
from hone_contracts import subjects
from hone_contracts.artifacts import ArtifactType, ValidatorResult
from hone_contracts.errors import Request
from hone_contracts.hub import FileReport, InspectFile
from hone_contracts.providers import GpuStatus, ListProviders, Providers, ProviderStatus
from hone_contracts.registry import ListModels, Model, Models, ShowModel
from hone_contracts.status import AskStatus, ServiceStatus
from hone_contracts.validation import ValidateArtifact, Validation

MODEL = Model(name="hone-starter", provider="llamacpp", artifact_types=(), versions=())


@asynccontextmanager
async def answered(
    gateway: Gateway,
    question: type[Request],
    handler: Callable[[Any], Awaitable[BaseModel]],
    subject: str = "",
) -> AsyncIterator[None]:
    """While open, ``handler`` answers as the other service would."""
    subject = subject or str(getattr(question, "subject", ""))
    answer = answering(subject, question, handler)

    async def reply(message: Msg) -> None:
        await message.respond(await answer(message.data))

    subscription = await gateway.client.subscribe(subject, cb=reply)
    await gateway.client.flush()
    yield
    await subscription.unsubscribe()


async def test_models_come_from_the_registry(sqlite_gateway: Gateway) -> None:
    async def models(_question: ListModels) -> Models:
        return Models(models=(MODEL,))

    async def model(question: ShowModel) -> Model:
        if question.name != MODEL.name:
            raise Permanent("no_such_model", "There is no such model", f"No model {question.name}.", 404)
        return MODEL

    http = sqlite_gateway.http
    async with (
        answered(sqlite_gateway, ListModels, models),
        answered(sqlite_gateway, ShowModel, model),
    ):
        assert (await http.get("/api/models")).json() == {"models": [MODEL.model_dump(mode="json")]}
        assert (await http.get("/api/models/hone-starter")).json()["provider"] == "llamacpp"
        missing = await http.get("/api/models/nothing")
    assert (missing.status_code, missing.json()["code"]) == (404, "no_such_model")
    assert missing.headers["content-type"] == "application/problem+json"


async def test_a_service_that_does_not_listen_is_503(sqlite_gateway: Gateway) -> None:
    for path in ("/api/models", "/api/routes"):
        refused = await sqlite_gateway.http.get(path)
        assert (refused.status_code, refused.json()["code"]) == (503, "service_unavailable")
        assert "hone status" in refused.json()["detail"]


async def test_a_file_is_inspected_by_the_hub_and_the_answer_kept_for_its_key(
    sqlite_gateway: Gateway,
) -> None:
    asked: list[str] = []

    async def inspect(question: InspectFile) -> FileReport:
        asked.append(question.uri)
        if question.uri.endswith("cut.gguf"):
            raise Permanent("not_gguf", "This is no GGUF file", "It ends in its header.", 422)
        return FileReport(report={"tensors": len(asked)})

    http = sqlite_gateway.http
    async with answered(sqlite_gateway, InspectFile, inspect):
        key = {"Idempotency-Key": "i1"}
        first = await http.post("/api/hub/inspect-file", json={"path": "/models/a b.gguf"}, headers=key)
        again = await http.post("/api/hub/inspect-file", json={"path": "/models/a b.gguf"}, headers=key)
        assert first.json() == again.json() == {"tensors": 1}
        assert asked[0] == "file:///models/a%20b.gguf"
        cut = await http.post("/api/hub/inspect-file", json={"path": "/models/cut.gguf"})
    assert (cut.status_code, cut.json()["detail"]) == (422, "It ends in its header.")
    relative = await http.post("/api/hub/inspect-file", json={"path": "a.gguf"})
    assert (relative.status_code, relative.json()["errors"][0]["field"]) == (422, "path")


async def test_an_artifact_is_judged_by_the_generator(sqlite_gateway: Gateway) -> None:
    asked: list[ValidateArtifact] = []

    async def check(question: ValidateArtifact) -> Validation:
        asked.append(question)
        if question.options:
            raise Permanent("bad_option", "An option that there is not", "dialect: use one of …", 422)
        syntax = ValidatorResult(name="syntax", score=100, passed=True)
        return Validation(
            type=ArtifactType.SQL_DDL, score=90, accepted=True, validators=(syntax,), reasons=("r",)
        )

    http = sqlite_gateway.http
    body = {
        "content": "CREATE TABLE a (id int);",
        "requirements": "A.",
        "context_text": "B.",
        "threshold": 70,
    }
    async with answered(sqlite_gateway, ValidateArtifact, check):
        judged = await http.post("/api/validate", json=body)
        refused = await http.post(
            "/api/validate", json=body | {"type": "sql_ddl", "options": {"dialect": "x"}}
        )
    assert judged.json() == {
        "type": "sql_ddl",
        "score": 90,
        "accepted": True,
        "validators": [{"name": "syntax", "score": 100, "passed": True, "messages": []}],
        "reasons": ["r"],
    }
    question = asked[0]
    assert (question.artifact_type, question.content, question.requirements) == (None, body["content"], "A.")
    assert (question.context_text, question.threshold) == ("B.", 70)
    assert (refused.status_code, refused.json()["code"]) == (422, "bad_option")
    for wrong in ({}, {"content": 3}, {"content": "x", "type": "poem"}, {"content": "x", "typo": 1}):
        assert (await http.post("/api/validate", json=wrong)).status_code == 422


async def test_status_tells_of_each_service(sqlite_gateway: Gateway) -> None:
    async def hub(_question: AskStatus) -> ServiceStatus:
        return ServiceStatus(service="hub", troubles={"disk": "full"})

    async def registry(_question: AskStatus) -> ServiceStatus:
        return ServiceStatus(service="registry", troubles={})

    ollama = ProviderStatus(name="ollama", local=True, ok=False, detail="nobody at 127.0.0.1:11434")

    async def providers(_question: ListProviders) -> Providers:
        return Providers(providers=(ollama,), gpus=(GpuStatus(name="H200", total_bytes=2, used_bytes=1),))

    async with (
        answered(sqlite_gateway, AskStatus, hub, subjects.rpc("hub", "status")),
        answered(sqlite_gateway, AskStatus, registry, subjects.rpc("registry", "status")),
    ):
        unheard = (await sqlite_gateway.http.get("/api/status")).json()
        async with answered(sqlite_gateway, ListProviders, providers):
            heard = (await sqlite_gateway.http.get("/api/status")).json()
        status = (await sqlite_gateway.http.get("/api/status")).json()
    services = {each["name"]: each for each in status["services"]}
    assert list(services) == ["gateway", "generator", "hub", "trainer", "registry"]
    assert {name for name, each in services.items() if each["ready"]} == {"gateway", "registry"}
    assert services["hub"]["detail"] == "disk: full"
    assert "nobody listens" in services["generator"]["detail"]
    assert (unheard["providers"], unheard["gpus"]) == (None, None)
    assert heard["providers"] == [ollama.model_dump(mode="json")]
    assert heard["gpus"] == [{"name": "H200", "total_bytes": 2, "used_bytes": 1}]


async def test_the_gateway_itself_answers_how_it_is(sqlite_gateway: Gateway) -> None:
    subject = subjects.rpc("gateway", "status")
    reply = await sqlite_gateway.client.request(subject, AskStatus().model_dump_json().encode(), timeout=60)
    assert json.loads(reply.data)["answer"] == {"service": "gateway", "troubles": {}}
