"""The whole way of a model that a person adds, with the real parts: a hub on real sockets, Ollama, llama.cpp."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_parts.adding import added, adding, listed, order, removed
from hub_parts.deploying import stages_of
from hub_parts.ollamas import Ollama
from hub_parts.starter import STARTER
from local_hub import LocalHub, serving
from pydantic import SecretStr
from running import until

from hone_hub.settings import HubSettings

pytestmark = pytest.mark.slow

_numbers = itertools.count()
NOBODY = "127.0.0.1:9"


@pytest.fixture
def hub_of_models() -> Iterator[LocalHub]:
    with serving() as local:
        yield local


@pytest.fixture
def settings(nats_server: Any, tmp_path: Path, hub_of_models: LocalHub) -> HubSettings:
    """Nobody answers as Ollama, until a test says who."""
    return HubSettings(
        nats_url=SecretStr(nats_server.url),
        data_dir=tmp_path / "data",
        graceful_timeout_s=0.2,
        retry_delay_s=0.05,
        max_deliver=2,
        spare_disk_bytes=0,
        OLLAMA_HOST=NOBODY,
        HF_ENDPOINT=hub_of_models.url,
        HF_TOKEN="",
    )


def downloads(settings: HubSettings) -> list[str]:
    """The weights that lie there, under their own names."""
    return sorted(each.name for each in (settings.data_dir / "hub" / "downloads").rglob("*.gguf"))


def with_ollama(settings: HubSettings, ollama: Ollama) -> HubSettings:
    return settings.model_copy(update={"ollama_host": ollama.url})


@pytest.fixture
def repository(hub_of_models: LocalHub) -> str:
    """Of a name that nothing else has: the real Ollama is shared."""
    name = f"acme/Tiny-{next(_numbers)}-GGUF"
    hub_of_models.add(name, {"tiny-Q8_0.gguf": STARTER, "README.md": "# tiny"})
    return name


async def test_a_repository_becomes_a_model_that_ollama_answers_with(
    settings: HubSettings, ollama: Ollama, hub_of_models: LocalHub, repository: str
) -> None:
    async with adding(with_ollama(settings, ollama)) as (service, registry):
        wanted = order(repository)
        steps = await stages_of(service, wanted.correlation_id)
        model = await added(service, wanted)
        name = f"{repository.removeprefix('acme/').removesuffix('-GGUF').lower()}:q8_0"
        assert (model.name, model.references) == (name, (f"ollama:{name}",))
        assert model.source.repository == repository
        assert model.source.revision == hub_of_models.repositories[repository].commit
        assert model.source.files == ("tiny-Q8_0.gguf",)
        assert model.sha256 == hashlib.sha256(STARTER.read_bytes()).hexdigest()
        assert (model.licence, model.quant, model.architecture) == ("apache-2.0", "Q8_0", "llama")
        assert model.memory and model.memory.weights_bytes
        assert model.template_sha256
        assert model.proof["ollama"]["hosts"][ollama.url]["stopped"] == 2
        assert ollama.show(name) is not None
        stages = []
        while not steps.empty():
            stages.append(steps.get_nowait().stage)
        assert list(dict.fromkeys(stages)) == ["look", "download", "inspect", "upload", "create", "prove"]
        assert [each.name for each in await listed(service)] == [name]
        await until(lambda: downloads(settings) == [])  # Ollama has its own

        gone = await removed(service, name)
        assert gone.references == registry.released[0] == model.references
        assert ollama.show(name) is None
        assert await listed(service) == ()
