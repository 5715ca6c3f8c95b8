"""A POST that is sent twice has one effect, and one answer."""

import asyncio
from datetime import timedelta
from typing import Any

from playing import REQUEST, Gateway
from sqlmodel import select

from hone_gateway.http import idempotency
from hone_gateway.tables import JobRow


async def jobs(gateway: Gateway) -> int:
    async with gateway.service.database.read() as session:
        return len((await session.exec(select(JobRow.id))).all())


async def test_the_same_request_again_gets_the_same_answer_and_has_no_second_effect(gateway: Gateway) -> None:
    first = await gateway.post(**{"Idempotency-Key": "k1"})
    again = await gateway.post(**{"Idempotency-Key": "k1"})
    assert (again.status_code, again.json()) == (202, first.json())
    assert again.headers["location"] == first.headers["location"]
    assert await jobs(gateway) == 1
    assert (await gateway.post(**{"Idempotency-Key": "k2"})).json() != first.json()
    assert (await gateway.post()).json() != (await gateway.post()).json()


async def test_a_key_belongs_to_one_request(gateway: Gateway) -> None:
    await gateway.post(**{"Idempotency-Key": "k1"})
    for other in (
        gateway.post(REQUEST | {"requirements": "Another text."}, **{"Idempotency-Key": "k1"}),
        gateway.http.post(
            "/api/hub/convert", json={"source": "/a", "out": "/b"}, headers={"Idempotency-Key": "k1"}
        ),
    ):
        refused = await other
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert await jobs(gateway) == 1


async def test_duplicates_at_the_same_moment_have_one_effect(gateway: Gateway) -> None:
    answers = await asyncio.gather(*(gateway.post(**{"Idempotency-Key": "same"}) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.text for answer in answers}) == 1
    assert await jobs(gateway) == 1


async def test_a_refused_request_does_not_use_its_key_up(gateway: Gateway) -> None:
    refused = await gateway.post(REQUEST | {"requirements": ""}, **{"Idempotency-Key": "k1"})
    assert refused.status_code == 422
    missing = await gateway.http.post("/api/jobs/job_unknown/cancel", headers={"Idempotency-Key": "k1"})
    assert missing.status_code == 404
    assert (await gateway.post(**{"Idempotency-Key": "k1"})).status_code == 202


async def test_keys_that_are_no_keys_are_refused(sqlite_gateway: Gateway) -> None:
    for key in ("", "k" * 256, "a\tb"):
        refused = await sqlite_gateway.post(**{"Idempotency-Key": key})
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "Idempotency-Key")


async def test_cancelling_with_a_key_answers_the_same_again(gateway: Gateway) -> None:
    job_id = await gateway.accepted()
    headers: dict[str, Any] = {"Idempotency-Key": "c1"}
    first, again = [await gateway.http.post(f"/api/jobs/{job_id}/cancel", headers=headers) for _ in range(2)]
    assert first.json() == again.json()
    assert first.json()["state"] == "cancelled"


async def test_keys_are_forgotten_after_a_while(gateway: Gateway) -> None:
    first = await gateway.post(**{"Idempotency-Key": "k1"})
    await idempotency.purge(gateway.service.database, timedelta(hours=1))
    assert (await gateway.post(**{"Idempotency-Key": "k1"})).json() == first.json()
    await idempotency.purge(gateway.service.database, timedelta(0))
    assert (await gateway.post(**{"Idempotency-Key": "k1"})).json() != first.json()
