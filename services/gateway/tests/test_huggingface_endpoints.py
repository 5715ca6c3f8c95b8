"""Models of Hugging Face and models that were added, over HTTP: questions to the hub, and jobs that it works on."""

from datetime import UTC, datetime
from typing import Any

import pytest
from playing import Gateway, publish
from sqlmodel import select
from test_other_services import answered
from test_requests import is_problem

from hone_chassis.errors import Permanent
from hone_chassis.tables import OutboxRow
from hone_contracts.errors import ErrorBody
from hone_contracts.hub_models import (
    AddedModel,
    AddedModels,
    AdditionFailed,
    AddModel,
    ListAddedModels,
    ModelAdded,
    ModelRemoved,
    ModelSource,
    RemovalFailed,
    RemoveModel,
)
from hone_contracts.huggingface import (
    FoundModel,
    FoundModels,
    InspectRepository,
    RepositoryReport,
    SearchModels,
)
from hone_contracts.messages import Command

NAME = "acme/tiny-GGUF"
FOUND = FoundModel(id=NAME, downloads=5, verdict="runs", reason="GGUF of the architecture llama")
REPORT = RepositoryReport(id=NAME, revision="ab12", verdict="runs", reason="GGUF of the architecture llama")
ADDED = AddedModel(
    name="tiny:q4_k_m",
    references=("ollama:tiny:q4_k_m",),
    source=ModelSource(kind="huggingface", repository=NAME, revision="ab12", files=("tiny-Q4_K_M.gguf",)),
    quant="Q4_K_M",
    sha256="ab",
    size_bytes=9,
    added_at=datetime(2026, 1, 1, tzinfo=UTC),
)


async def sent(gateway: Gateway, kind: type[Command]) -> list[Any]:
    query = select(OutboxRow.body).where(OutboxRow.subject == kind.subject)
    async with gateway.service.database.read() as session:
        return [kind.model_validate_json(body) for body in (await session.exec(query)).all()]


async def test_a_search_is_the_hubs_answer(sqlite_gateway: Gateway) -> None:
    asked: list[SearchModels] = []

    async def search(question: SearchModels) -> FoundModels:
        asked.append(question)
        if question.query == "away":
            raise Permanent("hub_unreachable", "The hub does not answer", "Check the network.", 503)
        return FoundModels(models=(FOUND,))

    http = sqlite_gateway.http
    async with answered(sqlite_gateway, SearchModels, search):
        found = await http.get("/api/huggingface/search", params={"query": "tiny gguf", "limit": 3})
        away = await http.get("/api/huggingface/search", params={"query": "away"})
        assert found.json()["models"][0]["verdict"] == "runs"
    assert (asked[0].query, asked[0].limit, asked[1].limit) == ("tiny gguf", 3, 20)
    is_problem(away, 503, "hub_unreachable")
    for wrong in ("", "?query=", "?query=x&limit=0", "?query=x&limit=101", "?query=%20"):
        assert (await http.get(f"/api/huggingface/search{wrong}")).status_code == 422


async def test_a_repository_is_looked_into_by_its_name(sqlite_gateway: Gateway) -> None:
    asked: list[InspectRepository] = []

    async def inspect(question: InspectRepository) -> RepositoryReport:
        asked.append(question)
        return REPORT

    http = sqlite_gateway.http
    async with answered(sqlite_gateway, InspectRepository, inspect):
        path = f"/api/huggingface/models/{NAME}"
        shown = await http.get(path, params={"revision": "v1.0", "context": 4096, "quant": "Q8_0"})
        plain = await http.get(path)
    assert shown.json() == plain.json() == REPORT.model_dump(mode="json")
    assert (asked[0].repository, asked[0].revision, asked[0].context_tokens, asked[0].quant) == (
        NAME, "v1.0", 4096, "Q8_0",
    )  # fmt: skip
    assert (asked[1].revision, asked[1].context_tokens, asked[1].quant) == (None, None, "auto")
    for wrong in ("a/b/c", "a%20b", "-x", "a/..%2f"):
        assert (await http.get(f"/api/huggingface/models/{wrong}")).status_code in (404, 422)


async def test_a_download_is_one_job_from_name_to_answer(gateway: Gateway) -> None:
    body = {"model_id": NAME, "convert_to_ollama": True}
    accepted = await gateway.http.post(
        "/api/huggingface/download", json=body, headers={"Idempotency-Key": "k"}
    )
    again = await gateway.http.post("/api/huggingface/download", json=body, headers={"Idempotency-Key": "k"})
    assert accepted.status_code == 202 and accepted.json() == again.json()
    (command,) = await sent(gateway, AddModel)
    assert (command.source, command.quant, command.destinations) == (NAME, "auto", ("ollama",))
    job_id = accepted.json()["job_id"]
    assert (await gateway.job(job_id))["kind"] == "add"
    await publish(gateway.jetstream, ModelAdded.caused_by(command, model=ADDED))
    await gateway.drained()
    job = await gateway.job(job_id)
    assert job["state"] == "succeeded" and job["result"]["references"] == ["ollama:tiny:q4_k_m"]


async def test_without_ollama_a_model_is_only_downloaded(sqlite_gateway: Gateway) -> None:
    await sqlite_gateway.http.post("/api/huggingface/download", json={"model_id": NAME, "quant": "Q8_0"})
    (command,) = await sent(sqlite_gateway, AddModel)
    assert (command.destinations, command.quant) == ((), "Q8_0")


@pytest.mark.parametrize(
    "wrong",
    [{}, {"model_id": "../x"}, {"model_id": "a/b/c"}, {"model_id": NAME, "convert": True}, {"model_id": 7}],
)
async def test_a_download_of_nothing_is_refused(sqlite_gateway: Gateway, wrong: dict[str, Any]) -> None:
    assert (await sqlite_gateway.http.post("/api/huggingface/download", json=wrong)).status_code == 422
    assert await sent(sqlite_gateway, AddModel) == []


async def test_any_source_is_added_with_all_that_can_be_said_of_it(sqlite_gateway: Gateway) -> None:
    wanted = {
        "source": "/models/my model.gguf",
        "quant": "Q8_0",
        "name": "mine:q8",
        "context_tokens": 4096,
        "destinations": ["ollama", "llamacpp"],
        "template": "{{ .Prompt }}",
        "replace": True,
        "force": True,
    }
    assert (await sqlite_gateway.http.post("/api/hub/models", json=wanted)).status_code == 202
    await sqlite_gateway.http.post("/api/hub/models", json={"source": "ollama:qwen2.5-coder:7b"})
    first, second = await sent(sqlite_gateway, AddModel)
    assert first.source == "file:///models/my%20model.gguf" and first.destinations == ("ollama", "llamacpp")
    assert (first.name, first.context_tokens, first.template, first.replace, first.force) == (
        "mine:q8", 4096, "{{ .Prompt }}", True, True,
    )  # fmt: skip
    assert (second.source, second.destinations) == ("ollama:qwen2.5-coder:7b", None)
    for wrong in (
        {"source": "x", "destinations": ["openai"]},
        {"source": "x", "name": "a b"},
        {"source": ""},
    ):
        assert (await sqlite_gateway.http.post("/api/hub/models", json=wrong)).status_code == 422


async def test_an_addition_that_fails_ends_its_job_with_the_reason(sqlite_gateway: Gateway) -> None:
    accepted = await sqlite_gateway.http.post("/api/hub/models", json={"source": NAME})
    (command,) = await sent(sqlite_gateway, AddModel)
    why = ErrorBody(code="too_large_for_machine", title="Too large", detail="Take a smaller one.", status=507)
    await publish(sqlite_gateway.jetstream, AdditionFailed.caused_by(command, error=why))
    await sqlite_gateway.drained()
    job = await sqlite_gateway.job(accepted.json()["job_id"])
    assert job["state"] == "failed" and job["error"]["code"] == "too_large_for_machine"


async def test_models_that_were_added_are_listed_and_removed_as_a_job(sqlite_gateway: Gateway) -> None:
    async def listed(_: ListAddedModels) -> AddedModels:
        return AddedModels(models=(ADDED,))

    http = sqlite_gateway.http
    async with answered(sqlite_gateway, ListAddedModels, listed):
        models = (await http.get("/api/hub/models")).json()["models"]
    assert models == [ADDED.model_dump(mode="json")]
    for name in ("tiny:q4_k_m", "ollama:tiny:q4_k_m"):
        assert (await http.delete(f"/api/hub/models/{name}")).status_code == 202
    first, second = await sent(sqlite_gateway, RemoveModel)
    assert (first.name, second.name) == ("tiny:q4_k_m", "ollama:tiny:q4_k_m")
    used = ErrorBody(code="model_in_use", title="In use", detail="mermaid_erd uses it.", status=409)
    await publish(sqlite_gateway.jetstream, ModelRemoved.caused_by(first, name="tiny:q4_k_m", freed_bytes=9))
    await publish(sqlite_gateway.jetstream, RemovalFailed.caused_by(second, error=used))
    await sqlite_gateway.drained()
    done, kept = [await sqlite_gateway.job(each.correlation_id) for each in (first, second)]
    assert done["state"] == "succeeded" and done["result"]["freed_bytes"] == 9
    assert kept["state"] == "failed" and kept["error"]["code"] == "model_in_use" and kept["kind"] == "remove"
