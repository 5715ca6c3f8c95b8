"""What is accepted ends exactly once, whoever dies meanwhile."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import nats
import psutil
import pytest
from machine import Machine
from running import until

from hone_contracts.generation import ArtifactGenerated, GenerateArtifact

SENTENCES = [
    f"Each {kind} number {number} has a name, a colour and a weight, and belongs to one owner."
    for number in range(30)
    for kind in ("crate", "parcel")
]
LONG_TEXT = " ".join(SENTENCES)  # seconds of work for the starter
FAST = {"HONE_ACK_WAIT_S": "2", "HONE_RETRY_DELAY_S": "0.1"}


def submit(client: httpx.Client, text: str = LONG_TEXT) -> str:
    accepted = client.post("/api/artifacts", json={"type": "mermaid_erd", "requirements": text})
    assert accepted.status_code == 202, accepted.text
    job: str = accepted.json()["job_id"]
    return job


def wait_for(what: Callable[[], Any], limit_s: float = 150) -> Any:
    """The first true answer of ``what``."""
    ends = time.monotonic() + limit_s
    last: Exception | None = None
    while time.monotonic() < ends:
        try:
            if found := what():
                return found
        except httpx.TransportError as error:  # the gateway itself may be restarting
            last = error
        else:
            last = None
        time.sleep(0.05)
    raise AssertionError(f"not within {limit_s:g} s: {last!r}")


def running(client: httpx.Client, job: str) -> bool:
    found = client.get(f"/api/jobs/{job}").json()
    return found["state"] == "running" and bool((found["progress"] or {}).get("done"))


def ended(client: httpx.Client, job: str) -> dict[str, Any] | None:
    answer = client.get(f"/api/jobs/{job}")
    if answer.status_code == 503:  # a gateway that has just been started again
        return None
    found: dict[str, Any] = answer.json()
    return found if found["state"] in {"succeeded", "failed", "cancelled"} else None


@pytest.mark.parametrize("victim", ["generator", "nats", "gateway", "registry"])
def test_a_job_succeeds_once_although_a_process_is_killed_in_its_middle(
    machine: Callable[..., Machine], victim: str
) -> None:
    hone = machine(**FAST)
    hone.up()
    with hone.client() as client:
        job = submit(client)
        wait_for(lambda: running(client, job))
        hone.kill(victim)
        found = wait_for(lambda: ended(client, job))
        assert found["state"] == "succeeded", (found, hone.logs())
        artifact = client.get(f"/api/artifacts/{found['result']['artifact_id']}")
        assert artifact.status_code == 200
        (only,) = [each for each in client.get("/api/jobs").json()["jobs"] if each["id"] == job]
        assert only["state"] == "succeeded"


def test_killing_hone_up_leaves_no_orphans_and_loses_no_job(machine: Callable[..., Machine]) -> None:
    hone = machine(**FAST)
    hone.up()
    with hone.client() as client:
        job = submit(client)
        wait_for(lambda: running(client, job))
    everyone = hone.processes()
    assert len(everyone) >= 8  # supervisor, NATS, five services, the model
    everyone[0].kill()
    _, alive = psutil.wait_procs(everyone, timeout=60)
    assert [each for each in alive if each.status() != psutil.STATUS_ZOMBIE] == []
    hone.up()
    with hone.client() as client:
        found = wait_for(lambda: ended(client, job))
    assert found["state"] == "succeeded"


def test_a_broker_that_lost_its_disk_loses_no_accepted_job(machine: Callable[..., Machine]) -> None:
    hone = machine(**FAST)
    hone.up()
    with hone.client() as client:
        hone.kill("generator")
        job = submit(client)
    hone.down()
    store = hone.data / "nats"
    for file in sorted(store.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    hone.up()
    with hone.client() as client:
        found = wait_for(lambda: ended(client, job))
        assert found["state"] == "succeeded"


def test_a_cancelled_job_stays_cancelled(machine: Callable[..., Machine]) -> None:
    hone = machine()
    hone.up()
    with hone.client() as client:
        job = submit(client)
        wait_for(lambda: running(client, job))
        assert client.post(f"/api/jobs/{job}/cancel").json()["state"] == "cancelled"
        other = submit(client, "A member has a name.")
        assert wait_for(lambda: ended(client, other))["state"] == "succeeded"
        assert client.get(f"/api/jobs/{job}").json()["state"] == "cancelled"


async def test_messages_that_come_again_after_the_commit_have_one_effect(
    machine: Callable[..., Machine],
) -> None:
    """The command and its result are sent once more, past the broker's deduplication, through all services."""
    hone = machine(**FAST)
    hone.up()
    client = await nats.connect(hone.state["nats"]["url"])
    jetstream = client.jetstream()
    commands = await client.subscribe(GenerateArtifact.subject)
    events = await client.subscribe(ArtifactGenerated.subject)
    await client.flush()
    with hone.client() as http:
        job = submit(http, "A member has a name.")
        first = wait_for(lambda: ended(http, job))
        command, event = await commands.next_msg(10), await events.next_msg(10)
        await jetstream.publish(command.subject, command.data)
        await jetstream.publish(event.subject, event.data)

        async def all_taken() -> bool:
            queue = (await jetstream.stream_info("HONE_COMMANDS")).state.messages
            reader = "gateway-event-artifact-generated-v1"
            info = await jetstream.consumer_info("HONE_EVENTS", reader)
            return queue == 0 and info.num_pending == 0 and info.num_ack_pending == 0

        await until(all_taken)
        assert ended(http, job) == first
    generated = (await jetstream.stream_info("HONE_EVENTS", subjects_filter=ArtifactGenerated.subject)).state
    assert generated.subjects == {ArtifactGenerated.subject: 2}, "the first, and ours: no third was generated"
    await client.close()
