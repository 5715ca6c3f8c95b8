"""A running registry with the loop's other services played by messages."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from loops import Loop
from pydantic import SecretStr
from registries import registry

from hone_chassis.loop_policy import LoopPolicy
from hone_registry import starter
from hone_registry.settings import RegistrySettings


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


@pytest.fixture
def policy() -> LoopPolicy:
    return LoopPolicy()


@pytest.fixture
async def loop(settings: RegistrySettings, policy: LoopPolicy) -> AsyncIterator[Loop]:
    async with registry(settings, policy) as service:
        yield Loop(service)
