"""The service under test, and how tests run it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import httpx
from hone_chassis import Service, ServiceSettings
from hone_chassis.http import listen
from hone_chassis.runtime import run
from sqlalchemy import MetaData, func
from sqlmodel import Field, SQLModel, select


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


async def until(condition: Callable[[], Awaitable[bool]], limit_s: float = 15.0) -> None:
    """Wait for a condition that another process or task brings about."""
    async with asyncio.timeout(limit_s):
        while not await condition():
            await asyncio.sleep(0.02)


@asynccontextmanager
async def started(service: Service) -> AsyncIterator[str]:
    """The service, running and ready; gives its URL, and stops it as SIGTERM would."""
    stop = asyncio.Event()
    listener = listen("127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    task = asyncio.create_task(run(service, stop, listener))

    async def ready() -> bool:
        if task.done():
            task.result()
        return service.health.started

    try:
        await until(ready)
        yield url
    finally:
        stop.set()
        await task


async def troubles(url: str) -> dict[str, str]:
    async with httpx.AsyncClient() as client:
        found: dict[str, str] = (await client.get(f"{url}/health/ready")).json()["troubles"]
        return found
