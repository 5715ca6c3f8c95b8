"""From POST to the artifact: nothing lost, nothing twice, and every job ends."""

import json
from typing import Any

import pytest
from nats.js.api import AckPolicy, ConsumerConfig
from playing import REQUEST, Gateway, generated, next_command, publish, running, settings
from sqlmodel import select

from hone_chassis.dead_letters import bury
from hone_contracts import streams
from hone_contracts.artifacts import Attempt
from hone_contracts.errors import ErrorBody
from hone_contracts.generation import ArtifactGenerated, GenerateArtifact, GenerationFailed
from hone_contracts.hub import ConversionFailed, ConvertModel, ModelConverted
from hone_contracts.ids import new_id
from hone_contracts.job_messages import JobCancelled
from hone_contracts.registry import Budget
from hone_gateway.tables import ArtifactRow

OUT_OF_MEMORY = ErrorBody(code="model_load", title="The model did not load", detail="Not enough memory.")


async def artifacts(gateway: Gateway) -> int:
    async with gateway.service.database.read() as session:
        return len((await session.exec(select(ArtifactRow.id))).all())


async def test_a_request_becomes_a_command_and_its_answer_an_artifact(gateway: Gateway) -> None:
    response = await gateway.post()
    assert response.status_code == 202
    job_id = response.json()["job_id"]
    assert response.headers["location"] == response.json()["status_url"] == f"/api/jobs/{job_id}"
    assert (await gateway.job(job_id))["state"] == "queued"

    command = await next_command(gateway.jetstream)
    assert (command.correlation_id, command.requirements) == (job_id, "A member has many loans.")
    event = generated(command)
    await publish(gateway.jetstream, event)

    job = await gateway.job_in(job_id, "succeeded")
    artifact_id = job["result"]["artifact_id"]
    document = (await gateway.http.get(f"/api/artifacts/{artifact_id}")).json()
    assert document.pop("created_at").endswith("+00:00")
    assert document == event.artifact.model_dump(mode="json") | {"job_id": job_id}


async def test_a_redelivered_result_has_one_effect(gateway: Gateway) -> None:
    job_id = await gateway.accepted()
    event = generated(await next_command(gateway.jetstream))
    for _ in range(4):  # past the broker's own deduplication
        await gateway.jetstream.publish(event.subject, event.model_dump_json().encode())
    other = generated(job_id=job_id)  # a superseded worker's
    await publish(gateway.jetstream, other)
    job = await gateway.job_in(job_id, "succeeded")
    await gateway.drained()
    assert job["result"] == {"artifact_id": event.artifact.artifact_id}
    assert await gateway.job(job_id) == job
    assert await artifacts(gateway) == 1


async def test_nats_may_restart_between_the_request_and_its_relay(
    nats_server: Any, database_url: str
) -> None:
    async with running(settings(nats_server.url, database_url)) as gateway:
        nats_server.kill()
        jobs = [await gateway.accepted() for _ in range(3)]
        nats_server.start()
        assert [(await next_command(gateway.jetstream)).correlation_id for _ in jobs] == jobs


async def test_an_accepted_job_survives_the_gateways_restart(nats_server: Any, database_url: str) -> None:
    chosen = settings(nats_server.url, database_url)
    async with running(chosen) as gateway:
        job_id = await gateway.accepted()
        command = await next_command(gateway.jetstream)
        jetstream = gateway.jetstream
    async with running(chosen) as gateway:
        assert jetstream is not gateway.jetstream
        await publish(gateway.jetstream, generated(command))
        await gateway.job_in(job_id, "succeeded")


async def test_a_failed_generation_says_why_and_what_was_tried(gateway: Gateway) -> None:
    job_id = await gateway.accepted()
    command = await next_command(gateway.jetstream)
    tried = Attempt(model="llamacpp:big", prompt_version="1", error="out of memory")
    await publish(
        gateway.jetstream, GenerationFailed.caused_by(command, error=OUT_OF_MEMORY, attempts=(tried,))
    )
    error = (await gateway.job_in(job_id, "failed"))["error"]
    assert (error["title"], error["detail"]) == ("The model did not load", "Not enough memory.")
    assert error["attempts"][0]["model"] == "llamacpp:big"


async def test_a_late_result_of_a_cancelled_job_changes_nothing(gateway: Gateway) -> None:
    job_id = await gateway.accepted()
    command = await next_command(gateway.jetstream)
    cancelled = await gateway.http.post(f"/api/jobs/{job_id}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    told = await heard(gateway, JobCancelled.subject)
    assert JobCancelled.model_validate_json(told).correlation_id == job_id

    await publish(gateway.jetstream, generated(command))
    await gateway.drained()
    assert await gateway.job(job_id) == cancelled.json()
    assert await artifacts(gateway) == 0
    assert (await gateway.http.post(f"/api/jobs/{job_id}/cancel")).json() == cancelled.json()


async def heard(gateway: Gateway, subject: str) -> bytes:
    subscription = await gateway.jetstream.pull_subscribe(
        subject, durable="listener-under-test", stream=streams.EVENTS.name
    )
    [message] = await subscription.fetch(1, timeout=60)
    data: bytes = message.data
    return data


async def test_a_job_that_succeeded_cannot_be_cancelled(gateway: Gateway) -> None:
    job_id = await gateway.accepted()
    await publish(gateway.jetstream, generated(await next_command(gateway.jetstream)))
    await gateway.job_in(job_id, "succeeded")
    refused = await gateway.http.post(f"/api/jobs/{job_id}/cancel")
    assert (refused.status_code, refused.json()["state"]) == (409, "succeeded")


async def test_a_dead_command_ends_its_job_with_the_reason(gateway: Gateway) -> None:
    job_id = await gateway.accepted()
    command = await next_command(gateway.jetstream)
    await bury(
        gateway.jetstream,
        command.subject,
        command.model_dump_json().encode(),
        {"correlation_id": job_id, "Nats-Msg-Id": str(command.message_id)},
        consumer="generator-command",
        reason=OUT_OF_MEMORY,
    )
    assert (await gateway.job_in(job_id, "failed"))["error"]["detail"] == "Not enough memory."


async def test_a_command_that_kills_every_worker_ends_its_job(gateway: Gateway) -> None:
    job_id = await gateway.accepted()
    dying = ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, max_deliver=1, ack_wait=0.2)
    worker = await gateway.jetstream.pull_subscribe(
        GenerateArtifact.subject, durable="dying-worker", stream=streams.COMMANDS.name, config=dying
    )
    assert len(await worker.fetch(1, timeout=60)) == 1  # and nothing more is heard of it
    with pytest.raises(TimeoutError):
        await worker.fetch(1, timeout=1)
    await worker.unsubscribe()
    assert (await gateway.job_in(job_id, "failed"))["error"]["code"] == "deliveries_exhausted"
    assert (await gateway.jetstream.stream_info(streams.COMMANDS.name)).state.messages == 0


async def test_a_result_that_cannot_be_stored_ends_its_job_too(nats_server: Any, database_url: str) -> None:
    async with running(settings(nats_server.url, database_url, max_deliver=2)) as gateway:
        first = await gateway.accepted()
        event = generated(await next_command(gateway.jetstream))
        await publish(gateway.jetstream, event)
        await gateway.job_in(first, "succeeded")
        second = await gateway.accepted()
        same_id = ArtifactGenerated.caused_by(await next_command(gateway.jetstream), artifact=event.artifact)
        await publish(gateway.jetstream, same_id)
        assert (await gateway.job_in(second, "failed"))["error"]["title"] == "An unexpected error"
        assert await artifacts(gateway) == 1


async def test_results_that_nobody_asked_for_are_dropped(gateway: Gateway) -> None:
    await publish(gateway.jetstream, generated(job_id=new_id("job")))
    await gateway.drained()
    assert await artifacts(gateway) == 0
    assert gateway.service.deliveries.none_in_hand.is_set()


async def test_a_conversion_is_a_job_as_well(gateway: Gateway) -> None:
    body = {"source": "/models/a b", "out": "file:///models/x.gguf", "quant": "Q8_0"}
    jobs = []
    for _ in range(2):
        response = await gateway.http.post("/api/hub/convert", json=body)
        assert response.status_code == 202
        jobs.append(response.json()["job_id"])
    subscription = await gateway.jetstream.pull_subscribe(
        ConvertModel.subject, durable="hub-under-test", stream=streams.COMMANDS.name
    )
    commands = []
    for _ in jobs:
        [message] = await subscription.fetch(1, timeout=60)
        commands.append(ConvertModel.model_validate_json(message.data))
        await message.ack_sync()
    assert (commands[0].source_uri, commands[0].target_uri) == (
        "file:///models/a%20b",
        "file:///models/x.gguf",
    )
    assert commands[0].quantization == "q8_0"

    done: dict[str, Any] = {
        "target_uri": "file:///models/x.gguf",
        "sha256": "00",
        "size_bytes": 7,
        "report": {},
    }
    await publish(gateway.jetstream, ModelConverted.caused_by(commands[0], **done))
    await publish(gateway.jetstream, ConversionFailed.caused_by(commands[1], error=OUT_OF_MEMORY))
    assert (await gateway.job_in(jobs[0], "succeeded"))["result"] == done
    assert (await gateway.job_in(jobs[1], "failed"))["error"]["code"] == "model_load"


async def test_a_dead_letter_is_sent_again_as_a_new_job_and_once(gateway: Gateway) -> None:
    job_id = await gateway.accepted()
    command = await next_command(gateway.jetstream)
    body = command.model_dump_json().encode()
    await bury(
        gateway.jetstream,
        command.subject,
        body,
        {"correlation_id": job_id},
        consumer="g",
        reason=OUT_OF_MEMORY,
    )
    await gateway.job_in(job_id, "failed")
    [letter] = (await gateway.http.get("/api/dead")).json()["dead"]
    assert (letter["job_id"], letter["reason"]["title"]) == (job_id, "The model did not load")
    assert json.loads(letter["body"])["requirements"] == command.requirements

    retried = await gateway.http.post(f"/api/dead/{letter['id']}/retry")
    assert retried.status_code == 202
    again = await next_command(gateway.jetstream)
    assert again.correlation_id == retried.json()["job_id"] != job_id
    assert (again.requirements, again.causation_id) == (command.requirements, command.message_id)
    assert again.message_id != command.message_id
    assert (await gateway.job(job_id))["state"] == "failed"
    assert (await gateway.http.get("/api/dead")).json() == {"dead": []}
    assert (await gateway.http.post(f"/api/dead/{letter['id']}/retry")).status_code == 404

    # The letter could not be removed the first time: it is there again, and gives the same job.
    await gateway.jetstream.publish(f"hone.dead.{command.subject}", body)
    [letter] = (await gateway.http.get("/api/dead")).json()["dead"]
    assert (await gateway.http.post(f"/api/dead/{letter['id']}/retry")).json() == retried.json()


async def test_a_dead_letter_that_is_no_command_says_so(sqlite_gateway: Gateway) -> None:
    gateway = sqlite_gateway
    job_id = await gateway.accepted()
    for subject, body in (
        (ArtifactGenerated.subject, generated(job_id=job_id).model_dump_json()),
        (GenerateArtifact.subject, json.dumps({"tenant": "default"})),
        (GenerateArtifact.subject, "{}"),
        (GenerateArtifact.subject, "no JSON, so nobody's: and yet somebody must see it"),
    ):
        await gateway.jetstream.publish(f"hone.dead.{subject}", body.encode())
    letters = (await gateway.http.get("/api/dead")).json()["dead"]
    for letter in letters:
        refused = await gateway.http.post(f"/api/dead/{letter['id']}/retry")
        assert (refused.status_code, refused.json()["code"]) == (409, "not_resendable")
    assert len(letters) == 4


async def test_context_options_and_budget_go_with_the_command(sqlite_gateway: Gateway) -> None:
    more = {
        "type": "sql_ddl",
        "context_text": "We say patron, not member.",
        "options": {"dialect": "sqlite"},
        "budget": {"max_cost_usd": 0.05},
    }
    assert (await sqlite_gateway.post(REQUEST | more)).status_code == 202
    command = await next_command(sqlite_gateway.jetstream)
    assert (command.context_text, command.options) == ("We say patron, not member.", {"dialect": "sqlite"})
    # Only what was asked for is tighter than the route's own.
    assert command.budget == Budget(deadline_s=7200, max_tokens=None, max_cost_usd=0.05)
    await sqlite_gateway.accepted()
    assert (await next_command(sqlite_gateway.jetstream)).budget is None
