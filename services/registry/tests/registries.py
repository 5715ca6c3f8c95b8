"""Registries that run, for tests."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from running import started, until

from hone_chassis import Service
from hone_chassis.loop_policy import LoopPolicy
from hone_registry import app
from hone_registry.settings import RegistrySettings


@asynccontextmanager
async def registry(settings: RegistrySettings, policy: LoopPolicy | None = None) -> AsyncIterator[Service]:
    """One that is ready: its table of routes is on the broker."""
    service = app.create(settings, policy)
    async with started(service):
        await until(service.health.troubles, lambda troubles: troubles == {})
        yield service
