"""The service under test."""

from pathlib import Path
from typing import ClassVar

import httpx
from sqlalchemy import MetaData, func
from sqlmodel import Field, SQLModel, select

from hone_chassis import Service, ServiceSettings


class Counted(SQLModel, table=True):
    metadata: ClassVar[MetaData] = MetaData()
    id: int | None = Field(default=None, primary_key=True)
    job: str


def settings(nats_url: str, database_url: str, tmp_path: Path, **more: object) -> ServiceSettings:
    fast: dict[str, object] = {
        "ack_wait_s": 1.0,
        "retry_delay_s": 0.05,
        "max_deliver": 3,
        "graceful_timeout_s": 0.3,
    }
    return ServiceSettings(
        nats_url=nats_url,
        database_url=database_url,
        data_dir=tmp_path,
        **(fast | more),  # type: ignore[arg-type]
    )


def counting_service(settings: ServiceSettings, name: str = "counter") -> Service:
    return Service(name, settings, package="counting", head="0001")


async def count(service: Service) -> int:
    async with service.database.read() as session:
        return (await session.exec(select(func.count()).select_from(Counted))).one()


async def troubles(url: str) -> dict[str, str]:
    async with httpx.AsyncClient() as client:
        found: dict[str, str] = (await client.get(f"{url}/health/ready")).json()["troubles"]
        return found
