"""A running gateway over real HTTP, real NATS and a real database; the tests play the other services."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playing import Gateway, running, settings


@pytest.fixture
async def gateway(nats_server: Any, database_url: str) -> AsyncIterator[Gateway]:
    async with running(settings(nats_server.url, database_url)) as started:
        yield started


@pytest.fixture
async def sqlite_gateway(nats_server: Any, tmp_path: Path) -> AsyncIterator[Gateway]:
    """For what no database has a part in."""
    async with running(settings(nats_server.url, f"sqlite+aiosqlite:///{tmp_path / 'one.db'}")) as started:
        yield started
