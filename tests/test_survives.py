"""What is accepted ends exactly once, whoever dies meanwhile."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import psutil
import pytest
from machine import Machine

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
