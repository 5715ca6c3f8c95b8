"""Models of Ollama's library: pulled by the real server from a registry on this machine, and proven."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_parts.answering import answering
from hub_parts.fake_ollama import FakeModel, FakeOllama
from hub_parts.models import TEMPLATE
from hub_parts.ollamas import CHATML, Ollama
from hub_parts.placing import Steps, deployer, order, sha256
from hub_parts.registry import Registry, serving
from hub_parts.starter import STARTER

from hone_hub.deploy.models.errors import DoesNotAnswer, ModelNameTaken
from hone_hub.deploy.ollama.errors import DigestMismatch, LibraryUnreachable, NotInLibrary

pytestmark = pytest.mark.slow

STOP = {"stop": ["<|im_end|>"]}


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving(Registry()) as registry:
        yield registry


async def test_a_model_of_the_library_is_pulled_proven_and_kept_under_its_name(
    real_ollama: Ollama, registry: Registry, tmp_path: Path
) -> None:
    weights = answering(tmp_path / "m.gguf", TEMPLATE)
    name = registry.add("tiny:latest", weights, CHATML, STOP)
    steps, to = Steps(), deployer(tmp_path, real_ollama.url)
    placed = await to.pull(name, order(name, None), steps)
    assert (placed.reference, placed.sha256) == (f"ollama:{name}", sha256(weights))
    assert placed.size_bytes >= weights.stat().st_size
    assert placed.proof["hosts"][real_ollama.url]["answers"] == ["hello"]
    assert steps.stages == ["pull", "prove"]
    assert max(step.done for step in steps.seen) >= weights.stat().st_size
    shown = real_ollama.show(name)
    assert shown is not None
    assert shown["template"] == CHATML

    sent = registry.sent_bytes
    assert (await to.pull(name, order(name, None), Steps())).sha256 == placed.sha256
    assert registry.sent_bytes - sent < 10_000  # the manifest alone
    assert await to.remove(f"ollama:{name}") > 0


async def test_a_pulled_model_gets_the_name_that_a_person_wants(
    real_ollama: Ollama, registry: Registry, tmp_path: Path
) -> None:
    name = registry.add("named:latest", answering(tmp_path / "m.gguf", TEMPLATE), CHATML, STOP)
    to = deployer(tmp_path, real_ollama.url)
    first = await to.pull(name, order("wanted", None), Steps())
    assert first.reference == "ollama:wanted"
    assert real_ollama.show(name) is None
    assert (await to.pull(name, order("wanted", None), Steps())).sha256 == first.sha256

    other = registry.add("other:latest", STARTER, CHATML, STOP)
    with pytest.raises(ModelNameTaken):
        await to.pull(other, order("wanted", None), Steps())
    await to.remove("ollama:wanted")


async def test_a_pulled_model_that_does_not_answer_is_gone_again(
    real_ollama: Ollama, registry: Registry, tmp_path: Path
) -> None:
    name = registry.add("endless:latest", answering(tmp_path / "m.gguf", TEMPLATE, stops=False), CHATML, STOP)
    with pytest.raises(DoesNotAnswer, match="does not stop"):
        await deployer(tmp_path, real_ollama.url).pull(name, order(name, None), Steps())
    assert real_ollama.show(name) is None


async def test_what_the_library_has_not_and_what_arrives_broken_is_told(
    real_ollama: Ollama, registry: Registry, tmp_path: Path
) -> None:
    to = deployer(tmp_path, real_ollama.url)
    missing = f"{registry.host}/library/absent:latest"
    with pytest.raises(NotInLibrary, match="no such model to pull"):
        await to.pull(missing, order(missing, None), Steps())
    name = registry.add("broken:latest", answering(tmp_path / "m.gguf", TEMPLATE + " "), CHATML, STOP)
    registry.trouble = "broken"
    with pytest.raises(LibraryUnreachable) as caught:
        await to.pull(name, order(name, None), Steps())
    assert caught.value.transient
    registry.trouble = "wrong_bytes"
    with pytest.raises(DigestMismatch):
        await to.pull(name, order(name, None), Steps())
    assert real_ollama.show(name) is None


async def test_what_was_there_before_a_pull_stays(fake_ollama: FakeOllama, tmp_path: Path) -> None:
    ollama = Ollama(fake_ollama.url)
    ollama.add("tiny")
    (digest,) = {model.digest for model in fake_ollama.models.values()}
    fake_ollama.library["tiny:latest"] = FakeModel(digest, CHATML)
    fake_ollama.trouble = "out_of_memory"
    with pytest.raises(Exception, match="too little memory"):
        await deployer(tmp_path, fake_ollama.url).pull("tiny", order("tiny", None), Steps())
    assert "tiny:latest" in fake_ollama.models
    fake_ollama.trouble = "no_network"
    with pytest.raises(LibraryUnreachable, match="network"):
        await deployer(tmp_path, fake_ollama.url).pull("tiny", order("tiny", None), Steps())
