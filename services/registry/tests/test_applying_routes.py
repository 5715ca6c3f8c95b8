"""A routes file applied to a running registry, on SQLite and on PostgreSQL: all of it, or nothing."""

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from registries import registry
from running import until
from schema import differences
from sqlmodel import col, select

from hone_chassis import RemoteError, Service, rpc
from hone_chassis.database import Database
from hone_chassis.migrations import migrate
from hone_chassis.routes_table import RoutesWatcher
from hone_chassis.tables import ChassisTable, OutboxRow
from hone_contracts.artifacts import ArtifactType
from hone_contracts.registry import ApplyRoutes, ListRoutes, Route, RouteChanged, Routes, RoutesApplied
from hone_registry import starter
from hone_registry.settings import RegistrySettings
from hone_registry.tables import AuditRow, RegistryTable, RouteRow

ERD, STORIES = ArtifactType.MERMAID_ERD, ArtifactType.USER_STORIES
FILE = """
mermaid_erd:
  model: ollama:qwen2.5-coder:7b
  fallbacks: [llamacpp:hone-starter]
  threshold: 75
user_stories: {model: ollama:llama3.1:8b}
"""


@pytest.fixture
def settings(nats_server: Any, database_url: str, tmp_path: Path) -> RegistrySettings:
    folder = tmp_path / "starter"
    folder.mkdir()
    (folder / starter.WEIGHTS).write_bytes(b"weights")
    return RegistrySettings(
        nats_url=SecretStr(nats_server.url),
        database_url=SecretStr(database_url),
        data_dir=tmp_path,
        starter_dir=folder,
        graceful_timeout_s=1,
    )


async def apply(service: Service, text: str, *, dry_run: bool = False, actor: str = "ada") -> RoutesApplied:
    question = ApplyRoutes(text=text, actor=actor, dry_run=dry_run)
    return await rpc.ask(service.running.client, ApplyRoutes.subject, question, RoutesApplied, timeout_s=30)


async def table(service: Service) -> Routes:
    return await rpc.ask(service.running.client, ListRoutes.subject, ListRoutes(), Routes)


async def announced(service: Service) -> list[tuple[str, str, bool]]:
    query = select(OutboxRow).where(OutboxRow.subject == RouteChanged.subject).order_by(col(OutboxRow.id))
    async with service.database.read() as session:
        events = [RouteChanged.model_validate_json(row.body) for row in (await session.exec(query)).all()]
    return [(event.route.artifact_type, event.route.model, event.removed) for event in events]


async def trail(service: Service, actor: str = "ada") -> list[AuditRow]:
    async with service.database.read() as session:
        query = select(AuditRow).where(AuditRow.actor == actor).order_by(col(AuditRow.id))
        return list((await session.exec(query)).all())


async def test_a_file_is_applied_and_says_what_it_changed(settings: RegistrySettings) -> None:
    async with registry(settings) as service:
        before = (await table(service)).routes
        known = len(await announced(service))
        applied = await apply(service, FILE)
        now = await table(service)
        assert applied.table == now
        assert now.set_by == dict.fromkeys(before, "default") | {
            "mermaid_erd": "user",
            "user_stories": "user",
        }
        assert [(each.artifact_type, each.before, each.after) for each in applied.changes] == [
            (ERD, before["mermaid_erd"], now.routes["mermaid_erd"]),
            (STORIES, None, now.routes["user_stories"]),
        ]
        assert (await announced(service))[known:] == [
            ("mermaid_erd", "ollama:qwen2.5-coder:7b", False),
            ("user_stories", "ollama:llama3.1:8b", False),
        ]


async def test_once_it_is_answered_the_new_routes_are_on_the_broker(settings: RegistrySettings) -> None:
    async with registry(settings) as service:
        bucket = await service.running.jetstream.key_value("hone_routes")
        for threshold in range(30, 40):
            applied = await apply(service, f"mermaid_erd: {{threshold: {threshold}}}")
            assert (await bucket.get(ERD)).value == applied.table.routes[ERD].model_dump_json().encode()


async def test_the_file_of_a_registered_model_is_told_for_the_routes_own_and_for_fallbacks(
    settings: RegistrySettings,
) -> None:
    async with registry(settings) as service:
        (known,) = {route.model_uri for route in (await table(service)).routes.values()}
        await apply(service, FILE + "openapi: {model: llamacpp:hone-starter, fallbacks: [ollama:a]}")
        routes = (await table(service)).routes
        assert (routes["mermaid_erd"].model_uri, routes["mermaid_erd"].fallbacks[0].model_uri) == (
            None,
            known,
        )
        assert (routes["openapi"].model_uri, routes["openapi"].reading) == (known, "passages")
        assert routes["openapi"].fallbacks[0].model_uri is None


async def test_the_trail_has_who_changed_what_from_what_to_what(settings: RegistrySettings) -> None:
    async with registry(settings) as service:
        await apply(service, "mermaid_erd: {threshold: 70}\nuser_stories: {model: ollama:a}")
        await apply(service, "mermaid_erd: {threshold: 80}", actor="bob")
        assert [(row.action, row.subject) for row in await trail(service)] == [
            ("routed", "route:mermaid_erd"),
            ("routed", "route:user_stories"),
        ]
        changed, removed = await trail(service, "bob")
        assert [changed.detail[side]["threshold"] for side in ("was", "now")] == [70, 80]
        assert changed.detail["now"]["set_by"] == "user"
        assert (removed.action, removed.detail["was"]["model"], removed.detail["now"]) == (
            "unrouted", "ollama:a", None,
        )  # fmt: skip


async def test_a_file_with_a_fault_changes_nothing_and_every_fault_is_told(
    settings: RegistrySettings,
) -> None:
    async with registry(settings) as service:
        await apply(service, FILE)
        before, told = await table(service), await announced(service)
        with pytest.raises(RemoteError) as caught:
            await apply(service, "user_stories: {model: ollama:b}\nopenapi:\n  modle: x\n  threshold: 101\n")
        body = caught.value.body
        assert (body.code, body.status, body.transient) == ("bad_routes", 422, False)
        assert [(fault["line"], fault["key"]) for fault in body.fields["faults"]] == [
            (3, "openapi.modle"), (4, "openapi.threshold"),
        ]  # fmt: skip
        assert (await table(service), await announced(service)) == (before, told)


async def test_a_dry_run_tells_the_same_and_changes_nothing(settings: RegistrySettings) -> None:
    async with registry(settings) as service:
        before, told = await table(service), await announced(service)
        tried = await apply(service, FILE, dry_run=True)
        assert (await table(service), await announced(service), await trail(service)) == (before, told, [])
        done = await apply(service, FILE)
        assert (tried.changes, tried.table) == (done.changes, done.table)
        assert (tried.dry_run, done.dry_run) == (True, False)


async def test_the_largest_table_there_can_be_is_applied_and_answered(settings: RegistrySettings) -> None:
    def models(provider: str, count: int) -> str:
        return json.dumps(
            [f"{provider}:{number:02}{'🐝' * 70}" for number in range(count)], ensure_ascii=False
        )

    keys = f"fallbacks: &f {models('ollama', 20)}\n  cloud: true\n  cloud_models: &c {models('gemini', 10)}"
    everywhere = "".join(f"{each.value}: {{fallbacks: *f, cloud_models: *c}}\n" for each in ArtifactType)
    async with registry(settings) as service:
        for name in ("first", "second"):  # all of it changes: before and after are in the answer
            text = f"default:\n  model: ollama:{name}\n  {keys}\n{everywhere}"
            applied = await apply(service, text)
        assert len(applied.changes) == len(applied.table.routes) == 11
        assert len(applied.model_dump_json().encode()) > 250_000
        await until(service.health.troubles, lambda troubles: troubles == {})


async def test_the_same_file_again_changes_nothing(settings: RegistrySettings) -> None:
    async with registry(settings) as service:
        await apply(service, FILE)
        told, audited = await announced(service), await trail(service)
        assert (await apply(service, FILE)).changes == ()
        assert (await announced(service), await trail(service)) == (told, audited)


async def test_what_is_not_in_the_next_file_goes_back_to_hones_own_or_away(
    settings: RegistrySettings,
) -> None:
    async with registry(settings) as service:
        own = await table(service)
        await apply(service, FILE)
        told = len(await announced(service))
        await apply(service, "{}")
        assert await table(service) == own
        assert (await announced(service))[told:] == [
            ("mermaid_erd", starter.NAME, False), ("user_stories", "ollama:llama3.1:8b", True),
        ]  # fmt: skip


async def test_a_default_with_a_model_answers_for_all_types_after_a_restart_too(
    settings: RegistrySettings,
) -> None:
    async with registry(settings) as service:
        await apply(service, "default: {model: ollama:a}\nmermaid_erd: {threshold: 90}\n")
        set_routes = await table(service)
        assert set(set_routes.routes) == {"default", "mermaid_erd"}
    async with registry(settings) as service:
        assert await table(service) == set_routes
        assert set_routes.routes["mermaid_erd"].threshold == 90


async def test_files_applied_at_the_same_time_by_replicas_leave_the_table_of_one(
    settings: RegistrySettings,
) -> None:
    async with registry(settings) as one, registry(settings) as other:
        texts = [f"mermaid_erd: {{threshold: {n}}}\nsql_ddl: {{threshold: {n}}}" for n in range(10, 20)]
        await asyncio.gather(*(apply(one if n % 2 else other, text) for n, text in enumerate(texts)))
        routes = (await table(one)).routes
        assert routes["mermaid_erd"].threshold == routes["sql_ddl"].threshold
        pairs = [row.detail for row in await trail(one) if row.subject == "route:sql_ddl"]
        assert all(after["was"] == before["now"] for before, after in itertools.pairwise(pairs))


async def test_who_follows_the_table_has_the_new_routes_without_a_restart_and_loses_the_removed_ones(
    settings: RegistrySettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hone_chassis.routes_table._LOOK_EVERY_S", 3600.0)  # it is told, and need not look
    async with registry(settings) as service:
        watcher = RoutesWatcher()
        following = asyncio.create_task(watcher.follow(service.running.jetstream))

        def model(artifact_type: ArtifactType) -> str | None:
            route = watcher.resolve(artifact_type)
            return None if route is None else route.model

        await until(lambda: model(ERD) == starter.NAME)
        assert model(STORIES) is None
        await apply(service, FILE)
        await until(
            lambda: model(ERD) == "ollama:qwen2.5-coder:7b" and model(STORIES) == "ollama:llama3.1:8b"
        )
        await apply(service, "default: {model: ollama:b}")
        await until(lambda: {model(each) for each in ArtifactType} == {"ollama:b"})
        await apply(service, "{}")
        await until(lambda: model(ERD) == starter.NAME and model(STORIES) is None)
        following.cancel()


async def test_routes_of_the_first_version_survive_the_migration(
    settings: RegistrySettings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(database_url, "registry")
    await _at_first_version(database, monkeypatch)
    async with database.write() as session:
        insert = sa.text(
            "INSERT INTO routes VALUES ('default', :key, :model, 'whole', 70, 7.5, 0.5, :by, '2026-01-01 00:00:00')"
        )
        connection = await session.connection()
        await connection.execute(insert, {"key": "mermaid_erd", "model": starter.NAME, "by": "default"})
        await connection.execute(insert, {"key": "user_stories", "model": "ollama:a", "by": "user"})
    await database.aclose()
    async with registry(settings) as service:
        routes = await table(service)
        assert (routes.set_by["mermaid_erd"], routes.routes["mermaid_erd"].reading) == ("default", "passages")
        stories = routes.routes["user_stories"]
        assert routes.set_by["user_stories"] == "user"
        assert (stories.model, stories.threshold, stories.limits.total_s) == ("ollama:a", 70, 7.5)
        assert (stories.temperature, stories.attempts_per_model) == (0.5, 3)
        assert await differences(service.database, ChassisTable.metadata, RegistryTable.metadata) == []


async def test_a_stored_route_says_nothing_of_versions(settings: RegistrySettings) -> None:
    """They are the alias's to say, at any time."""
    async with registry(settings) as service:
        await apply(service, FILE)
        async with service.database.read() as session:
            stored = [row.settings for row in (await session.exec(select(RouteRow))).all()]
    parts = [part for route in stored for part in (route, *route["fallbacks"])]
    assert all(not {"model_uri", "model_sha256", "version"} & part.keys() for part in parts)
    assert all(Route.model_validate(route).model for route in stored)


async def _at_first_version(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database as a registry of the first version left it."""
    from alembic import command  # noqa: PLC0415

    upgrade = command.upgrade
    with monkeypatch.context() as patch:
        patch.setattr(command, "upgrade", lambda config, _head: upgrade(config, "0001"))
        await migrate(database, "hone_registry", "0002")
