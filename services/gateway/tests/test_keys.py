"""Keys: whose they are, until when, and what happens when nobody can look."""

import json
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa
from playing import KEY, Gateway, generated, next_command, publish, running, settings
from pydantic import SecretStr
from running import until
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import select

from hone_gateway.keys import Keys, sha256
from hone_gateway.tables import ApiKeyRow, IdempotencyRow

OTHER = "another-tenants-key-0123456789"


async def test_no_key_is_stored(gateway: Gateway) -> None:
    async with gateway.service.database.read() as session:
        [row] = (await session.exec(select(ApiKeyRow))).all()
    assert row.sha256 == sha256(KEY)
    assert KEY not in str(row.model_dump())


async def test_a_new_first_key_revokes_the_one_before(nats_server: Any, database_url: str) -> None:
    chosen = settings(nats_server.url, database_url)
    async with running(chosen):
        pass
    second = "second-key-0123456789abcdef"
    async with running(chosen.model_copy(update={"admin_key": SecretStr(second)})) as gateway:
        refused = await gateway.http.get("/api/jobs")
        assert refused.status_code == 401
        taken = await gateway.http.get("/api/jobs", headers={"Authorization": f"Bearer {second}"})
        assert taken.status_code == 200
    async with running(chosen) as gateway:  # and back again
        assert (await gateway.http.get("/api/jobs")).status_code == 200


async def test_a_revoked_key_stops_working_within_the_cache_time(gateway: Gateway) -> None:
    assert (await gateway.http.get("/api/jobs")).status_code == 200
    await Keys(gateway.service.database, 1).put("third-key-0123456789abcdef", "bootstrap", "default")

    async def status() -> int:
        return (await gateway.http.get("/api/jobs")).status_code

    await until(status, lambda found: found == 401)


async def test_each_tenant_sees_its_own(gateway: Gateway) -> None:
    await Keys(gateway.service.database, 1).put(OTHER, "first", "other")
    job_id = await gateway.accepted()
    await publish(gateway.jetstream, generated(await next_command(gateway.jetstream)))
    artifact_id = (await gateway.job_in(job_id, "succeeded"))["result"]["artifact_id"]
    cancellable = await gateway.accepted()
    dead = generated(job_id=job_id).model_dump_json().encode()
    await gateway.jetstream.publish("hone.dead.hone.event.artifact.generated.v1", dead)
    async with httpx.AsyncClient(base_url=gateway.http.base_url, headers={"X-API-Key": OTHER}) as other:
        for path in (f"/api/jobs/{job_id}", f"/api/jobs/{job_id}/events", f"/api/artifacts/{artifact_id}"):
            assert (await gateway.http.get(path)).status_code == 200
            assert (await other.get(path)).status_code == 404
        assert (await other.get("/api/jobs")).json() == {"jobs": []}
        assert (await other.get("/api/dead")).json() == {"dead": []}
        assert (await other.post("/api/dead/1/retry")).status_code == 404
        assert (await other.post(f"/api/jobs/{cancellable}/cancel")).status_code == 404
        assert (await gateway.job(cancellable))["state"] == "queued"
        # The same Idempotency-Key in two tenants is two keys.
        own = await gateway.post(**{"Idempotency-Key": "k"})
        body = {"type": "mermaid_erd", "requirements": "Something else."}
        theirs = await other.post("/api/artifacts", json=body, headers={"Idempotency-Key": "k"})
        assert (own.status_code, theirs.status_code) == (202, 202)
        assert [job["id"] for job in (await other.get("/api/jobs")).json()["jobs"]] == [
            theirs.json()["job_id"]
        ]


async def test_a_lost_postgres_gives_503_and_never_401(nats_server: Any, postgres_server: str) -> None:
    server = sa.make_url(postgres_server).set(drivername="postgresql+asyncpg")
    admin = create_async_engine(server, isolation_level="AUTOCOMMIT")
    async with admin.connect() as connection:
        await connection.execute(sa.text("DROP DATABASE IF EXISTS doomed WITH (FORCE)"))
        await connection.execute(sa.text("CREATE DATABASE doomed"))
    url = server.set(database="doomed").render_as_string(hide_password=False)
    async with running(settings(nats_server.url, url, key_cache_s=0.01)) as gateway:
        assert (await gateway.post()).status_code == 202
        async with admin.connect() as connection:
            await connection.execute(sa.text("DROP DATABASE doomed WITH (FORCE)"))
        await unavailable(gateway)
    await admin.dispose()


async def test_a_lost_sqlite_file_gives_503_and_never_401(nats_server: Any, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    url = f"sqlite+aiosqlite:///{folder / 'gateway.db'}"
    async with running(settings(nats_server.url, url, key_cache_s=0.01)) as gateway:
        assert (await gateway.post()).status_code == 202
        await gateway.service.database.engine.dispose()
        folder.rename(tmp_path / "gone")
        await unavailable(gateway)
        (tmp_path / "gone").rename(folder)
        assert (await gateway.post()).status_code == 202


async def unavailable(gateway: Gateway) -> None:
    for answer in (
        await gateway.http.get("/api/jobs"),
        await gateway.post(),
        await gateway.http.get("/api/jobs", headers={"Authorization": "Bearer wrong"}),
    ):
        assert answer.status_code == 503, answer.text
        assert answer.json()["code"] == "database_unavailable"
        assert answer.headers["retry-after"] == "1"


async def test_a_key_is_shown_once_works_and_ends(gateway: Gateway) -> None:
    made = await gateway.http.post("/api/keys", json={"name": "ci"})
    assert made.status_code == 201
    key = made.json()["key"]
    assert len(key) > 40
    headers = {"Authorization": f"Bearer {key}"}
    assert (await gateway.http.get("/api/jobs", headers=headers)).status_code == 200
    shown = (await gateway.http.get("/api/keys")).text
    assert key not in shown
    assert [each["name"] for each in json.loads(shown)["keys"]] == ["bootstrap", "ci"]
    async with gateway.service.database.read() as session:
        assert key not in str([row.model_dump() for row in (await session.exec(select(ApiKeyRow))).all()])
    assert (await gateway.http.delete("/api/keys/ci")).status_code == 200
    assert (await gateway.http.get("/api/jobs", headers=headers)).status_code == 401
    again = await gateway.http.post("/api/keys", json={"name": "ci"})  # the name is free again
    assert again.json()["key"] != key
    kept = (await gateway.http.get("/api/keys")).json()["keys"]
    assert [(each["name"], each["revoked_at"] is None) for each in kept] == [
        ("bootstrap", True), ("ci", True), ("ci", False),
    ]  # fmt: skip


async def test_a_revoked_key_ends_at_once_where_it_was_revoked(nats_server: Any, tmp_path: Path) -> None:
    chosen = settings(nats_server.url, f"sqlite+aiosqlite:///{tmp_path / 'one.db'}", key_cache_s=3600)
    async with running(chosen) as gateway:
        key = (await gateway.http.post("/api/keys", json={"name": "ci"})).json()["key"]
        headers = {"Authorization": f"Bearer {key}"}
        assert (await gateway.http.get("/api/jobs", headers=headers)).status_code == 200
        await gateway.http.delete("/api/keys/ci")
        assert (await gateway.http.get("/api/jobs", headers=headers)).status_code == 401


async def test_a_key_asked_for_twice_is_made_once_and_kept_nowhere(gateway: Gateway) -> None:
    once = {"Idempotency-Key": "make-ci"}
    first = await gateway.http.post("/api/keys", json={"name": "ci"}, headers=once)
    again = await gateway.http.post("/api/keys", json={"name": "ci"}, headers=once)
    assert (first.status_code, again.status_code) == (201, 201)
    key = first.json()["key"]
    assert again.json() == {name: value for name, value in first.json().items() if name != "key"}
    async with gateway.service.database.read() as session:
        kept = (await session.exec(select(IdempotencyRow))).all()
    assert kept
    assert key not in str([row.model_dump() for row in kept])


async def test_what_is_no_key_is_refused(gateway: Gateway) -> None:
    http = gateway.http
    for name in ("", "bootstrap", "a b", "a/b", "ü", "x" * 65, "-x"):
        assert (await http.post("/api/keys", json={"name": name})).status_code == 422
    await http.post("/api/keys", json={"name": "ci"})
    assert (await http.post("/api/keys", json={"name": "ci"})).json()["code"] == "key_name_taken"
    assert (await http.delete("/api/keys/bootstrap")).json()["code"] == "first_key_stays"
    assert (await http.delete("/api/keys/nobody")).json()["code"] == "no_such_key"


async def test_a_tenant_sees_and_ends_only_its_own_keys(gateway: Gateway) -> None:
    await Keys(gateway.service.database, 1).put(OTHER, "first", "other")
    await gateway.http.post("/api/keys", json={"name": "ci"})
    async with httpx.AsyncClient(base_url=gateway.http.base_url, headers={"X-API-Key": OTHER}) as other:
        assert [each["name"] for each in (await other.get("/api/keys")).json()["keys"]] == ["first"]
        assert (await other.delete("/api/keys/ci")).status_code == 404
        made = (await other.post("/api/keys", json={"name": "ci"})).json()["key"]
        assert (await other.get("/api/jobs", headers={"X-API-Key": made})).json() == {"jobs": []}
