"""What `hone up` starts: data, not code, so that tests can start other things in the same way."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hone.launcher.restarts import RestartPolicy

CHASSIS_ENTRY = "hone_chassis:serve"


@dataclass(frozen=True)
class ServiceSpec:
    """One service: `entry` (`module:function`) is called with `target` and a listening socket, and blocks."""

    name: str
    target: str
    entry: str = CHASSIS_ENTRY


GATEWAY = "gateway"

SERVICES = tuple(
    ServiceSpec(name, f"hone_{name}.app") for name in (GATEWAY, "generator", "hub", "trainer", "registry")
)

# Imported once in the supervisor and shared by every service through fork: pages that nobody writes to are paid
# for once. Nothing here may start a thread or an event loop, and nothing heavy that only one service needs
# (numpy, torch, transformers, xllamacpp) belongs here.
PRELOAD = (
    "fastapi",
    "uvicorn",
    "uvicorn.lifespan.off",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.websockets.auto",
    "uvloop",
    "anyio._backends._asyncio",
    "pydantic_settings",
    "sqlmodel",
    "sqlalchemy.ext.asyncio",
    "sqlalchemy.dialects.sqlite.aiosqlite",
    "aiosqlite",
    "alembic.command",
    "alembic.config",
    "nats",
    "faststream.nats",
    "prometheus_client",
    "structlog",
    "opentelemetry.trace",
    "httpx",
    "httpcore",
    "hone_contracts.catalog",
    "hone_contracts.card",
    "hone_contracts.chat",
    "hone_contracts.pool",
    "hone_contracts.providers",
    "hone_contracts.teaching",
    "hone_contracts.validation",
    "hone_chassis.cancellations",
    "hone_chassis.loop_policy",
    "hone_chassis.routes_table",
)


@dataclass(frozen=True)
class LaunchPlan:
    data: Path
    port: int = 8400  # 0: any free one
    services: tuple[ServiceSpec, ...] = SERVICES
    preload: tuple[str, ...] = PRELOAD
    starter_dir: Path = Path(__file__).parent.parent / "starter"
    ready_timeout_s: float = 60
    # The gateway, then the other services together, then NATS: each gets this long before SIGKILL.
    stop_timeout_s: float = 15
    restarts: RestartPolicy = field(default_factory=RestartPolicy)
