"""The registry as a running service, on a real nats-server, on SQLite and on PostgreSQL."""

import asyncio
import hashlib
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import nats
import pytest
from nats.js.errors import BucketNotFoundError, KeyNotFoundError
from pydantic import SecretStr
from registries import registry
from running import until
from schema import differences
from sqlmodel import SQLModel, col, select

from hone_chassis import RemoteError, Service, rpc
from hone_chassis.tables import ChassisTable, OutboxRow
from hone_contracts.artifacts import ArtifactType
from hone_contracts.registry import ListModels, ListRoutes, Model, Models, RouteChanged, Routes, ShowModel
from hone_registry import starter
from hone_registry.settings import RegistrySettings
from hone_registry.tables import AliasRow, AuditRow, RegistryTable, RouteRow, VersionRow

ERD = ArtifactType.MERMAID_ERD
STARTERS = {"mermaid_erd", "mermaid_class", "sql_ddl", "json_schema", "openapi", "python_code"}
"""What can be made from the facts that the starter reads."""
T = TypeVar("T", bound=SQLModel)


@pytest.fixture
def shipped(tmp_path: Path) -> Path:
    """A folder as Hone ships it. The registry does not read weights, so any bytes will do."""
    folder = tmp_path / "starter"
    folder.mkdir()
    (folder / starter.WEIGHTS).write_bytes(b"first weights")
    (folder / starter.PROVENANCE).write_text(json.dumps({"seed": 7}))
    return folder


@pytest.fixture
def settings(nats_server: Any, database_url: str, tmp_path: Path, shipped: Path) -> RegistrySettings:
    return RegistrySettings(
        nats_url=SecretStr(nats_server.url),
        database_url=SecretStr(database_url),
        data_dir=tmp_path,
        starter_dir=shipped,
        graceful_timeout_s=1,
    )


async def rows(service: Service, table: type[T]) -> list[T]:
    async with service.database.read() as session:
        return list((await session.exec(select(table))).all())


async def announced(service: Service) -> list[RouteChanged]:
    async with service.database.read() as session:
        query = select(OutboxRow).where(OutboxRow.subject == RouteChanged.subject).order_by(col(OutboxRow.id))
        return [RouteChanged.model_validate_json(row.body) for row in (await session.exec(query)).all()]


async def test_the_starter_is_version_1_and_champion_and_the_default_route_leads_to_it(
    settings: RegistrySettings, shipped: Path
) -> None:
    weights = shipped / starter.WEIGHTS
    async with registry(settings) as service:
        client = service.running.client
        (model,) = (await rpc.ask(client, ListModels.subject, ListModels(), Models)).models
        assert (model.name, model.provider, model.artifact_types) == (
            "llamacpp:hone-starter",
            "llamacpp",
            (ERD,),
        )
        (version,) = model.versions
        assert (version.version, version.aliases) == (1, ("champion",))
        assert version.uri == weights.as_uri()
        assert version.sha256 == hashlib.sha256(b"first weights").hexdigest()
        assert version.size_bytes == len(b"first weights")
        assert version.provenance == {"seed": 7}
        assert await rpc.ask(client, ShowModel.subject, ShowModel(name=model.name), Model) == model

        table = await rpc.ask(client, ListRoutes.subject, ListRoutes(), Routes)
        assert set(table.routes) == STARTERS
        assert set(table.set_by.values()) == {"default"}
        bucket = await service.running.jetstream.key_value("hone_routes")
        for key, route in table.routes.items():
            assert (route.artifact_type, route.model, route.version) == (key, model.name, 1)
            assert (route.model_uri, route.model_sha256) == (version.uri, version.sha256)
            assert (route.reading, route.threshold, route.cloud) == ("passages", 60, False)
            assert (await bucket.get(key)).value == route.model_dump_json().encode()
        assert [event.route for event in await announced(service)] == list(table.routes.values())


async def test_a_name_nobody_registered_is_answered_with_the_names_there_are(
    settings: RegistrySettings,
) -> None:
    async with registry(settings) as service:
        with pytest.raises(RemoteError) as caught:
            question = ShowModel(name="ollama:nothing")
            await rpc.ask(service.running.client, ShowModel.subject, question, Model)
        assert caught.value.body.status == 404
        assert "llamacpp:hone-starter" in caught.value.body.detail


async def test_replicas_that_start_together_register_once(settings: RegistrySettings) -> None:
    async with AsyncExitStack() as stack:
        replicas = [stack.enter_async_context(registry(settings)) for _ in range(3)]
        service, *_ = await asyncio.gather(*replicas)
        assert [(row.version, row.uri) for row in await rows(service, VersionRow)] == [(1, _uri(settings))]
        assert len(await rows(service, AliasRow)) == 1
        actions = [row.action for row in await rows(service, AuditRow)]
        assert actions == ["registered", "promoted", *(["routed"] * len(STARTERS))]
        assert len(await announced(service)) == len(STARTERS)


async def test_a_second_start_changes_nothing(settings: RegistrySettings) -> None:
    async with registry(settings) as service:
        first = [await rows(service, table) for table in (VersionRow, AliasRow, RouteRow, AuditRow)]
    async with registry(settings) as service:
        assert [await rows(service, table) for table in (VersionRow, AliasRow, RouteRow, AuditRow)] == first
        assert len(await announced(service)) == len(STARTERS)


async def test_a_changed_file_becomes_the_next_version_and_champion_and_the_old_one_is_kept(
    settings: RegistrySettings, shipped: Path
) -> None:
    async with registry(settings):
        pass
    (shipped / starter.WEIGHTS).write_bytes(b"better weights")
    async with registry(settings) as service:
        model = await rpc.ask(service.running.client, ShowModel.subject, ShowModel(name=starter.NAME), Model)
        assert [(each.version, each.aliases) for each in model.versions] == [(1, ()), (2, ("champion",))]
        changed = [event for event in await announced(service) if event.route.artifact_type == ERD]
        assert [event.route.version for event in changed] == [1, 2]
        bucket = await service.running.jetstream.key_value("hone_routes")
        assert (await bucket.get(ERD.value)).value == changed[-1].route.model_dump_json().encode()
        promoted = [row for row in await rows(service, AuditRow) if row.action == "promoted"]
        assert [(row.actor, row.detail["was"]) for row in promoted] == [
            ("hone-registry at start", each) for each in (None, 1)
        ]
    (shipped / starter.WEIGHTS).write_bytes(b"first weights")
    async with registry(settings) as service:
        erd = [event.route for event in await announced(service) if event.route.artifact_type == ERD]
        assert [route.version for route in erd] == [1, 2, 1]
        assert len(await rows(service, VersionRow)) == 2


async def test_a_starter_that_lies_elsewhere_is_the_same_version(
    settings: RegistrySettings, shipped: Path, tmp_path: Path
) -> None:
    async with registry(settings):
        pass
    elsewhere = shipped.rename(tmp_path / "elsewhere")
    async with registry(settings.model_copy(update={"starter_dir": elsewhere})) as service:
        (version,) = await rows(service, VersionRow)
        assert version.uri == (elsewhere / starter.WEIGHTS).as_uri()
        assert (await announced(service))[-1].route.model_uri == version.uri


async def test_a_version_of_another_origin_that_was_promoted_stays_champion(
    settings: RegistrySettings, shipped: Path
) -> None:
    async with registry(settings) as service, service.database.write() as session:
        (alias,) = (await session.exec(select(AliasRow))).all()
        session.add(
            VersionRow(
                model_id=alias.model_id,
                version=2,
                uri="file:///made/here.gguf",
                sha256="ab",
                size_bytes=1,
                origin="run",
            )
        )
        await session.flush()
        alias.version = 2
    (shipped / starter.WEIGHTS).write_bytes(b"newer weights as shipped")
    async with registry(settings) as service:
        assert [row.version for row in await rows(service, VersionRow)] == [1, 2, 3]
        assert [row.version for row in await rows(service, AliasRow)] == [2]


async def test_a_default_of_hones_own_from_an_older_version_is_brought_up_to_date(
    settings: RegistrySettings,
) -> None:
    async with registry(settings) as service, service.database.write() as session:
        route = (await session.exec(select(RouteRow).where(RouteRow.artifact_type == ERD))).one()
        route.settings = route.settings | {"threshold": 10}
    async with registry(settings) as service:
        assert [row.settings["threshold"] for row in await rows(service, RouteRow)] == [60] * len(STARTERS)


async def test_without_a_starter_the_registry_is_ready_and_routes_nothing(
    settings: RegistrySettings, tmp_path: Path
) -> None:
    async with registry(settings.model_copy(update={"starter_dir": tmp_path / "absent"})) as service:
        assert (await rpc.ask(service.running.client, ListModels.subject, ListModels(), Models)).models == ()
        assert (await rpc.ask(service.running.client, ListRoutes.subject, ListRoutes(), Routes)).routes == {}


async def test_a_starter_with_broken_papers_is_registered_all_the_same(
    settings: RegistrySettings, shipped: Path
) -> None:
    (shipped / starter.PROVENANCE).write_text("{cut sho")
    async with registry(settings) as service:
        assert [row.provenance for row in await rows(service, VersionRow)] == [{}]


async def test_after_the_broker_lost_its_disk_the_routes_are_back(
    nats_server: Any, settings: RegistrySettings
) -> None:
    async with registry(settings):
        nats_server.kill()
        nats_server.lose_disk()
        nats_server.start()
        client = await nats.connect(nats_server.url)

        async def written() -> bool:
            try:
                bucket = await client.jetstream().key_value("hone_routes")
                return (await bucket.get(ERD.value)).value is not None
            except (BucketNotFoundError, KeyNotFoundError):
                return False

        await until(written)
        await client.close()


async def test_migrating_gives_the_schema_that_the_tables_declare(settings: RegistrySettings) -> None:
    async with registry(settings) as service:
        assert await differences(service.database, ChassisTable.metadata, RegistryTable.metadata) == []


def _uri(settings: RegistrySettings) -> str:
    assert settings.starter_dir is not None
    return (settings.starter_dir / starter.WEIGHTS).as_uri()
