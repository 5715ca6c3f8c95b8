"""Added models at Ollama (a real one and the stand-in) and in the embedded engine: proven, or not there at all."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hub_parts.answering import answering
from hub_parts.models import TEMPLATE
from hub_parts.ollamas import CHATML, Ollama
from hub_parts.placing import Steps, deployer, order, sha256
from hub_parts.starter import STARTER

from hone_hub.deploy.models.errors import DoesNotAnswer, ModelNameTaken, NotEmbeddable, NoTemplate
from hone_hub.deploy.ollama.shown import parameters

pytestmark = pytest.mark.slow

_numbers = itertools.count()


@pytest.fixture
def name() -> str:
    """Of its own: the real server is shared."""
    return f"added{next(_numbers)}:q8_0"


async def test_a_model_is_served_by_ollama_in_its_own_form_and_called_by_its_name(
    ollama: Ollama, tmp_path: Path, name: str
) -> None:
    steps, to = Steps(), deployer(tmp_path / "models", ollama.url)
    assert await to.destinations() == ("ollama",)
    placed = await to.deploy(order(name, STARTER, context_tokens=512), "ollama", steps)
    assert (placed.reference, placed.sha256, placed.uri) == (f"ollama:{name}", sha256(STARTER), "")
    shown = ollama.show(name)
    assert shown is not None
    assert shown["template"] == CHATML
    assert parameters(shown["parameters"]) == {"num_ctx": 512, "stop": ["<|im_end|>"]}
    proof = placed.proof["hosts"][ollama.url]
    assert set(proof["template"]["conversations"].values()) == {"same"}
    assert len(proof["template"]["conversations"]) == 4
    assert proof["stopped"] == 1
    assert steps.stages == ["upload", "create", "prove"]
    assert steps.seen[0].total == STARTER.stat().st_size
    assert names_at(ollama, "hone-unproven") == []


async def test_twice_is_once_and_what_is_somebody_elses_stays_until_it_shall_make_way(
    ollama: Ollama, tmp_path: Path, name: str
) -> None:
    to = deployer(tmp_path / "models", ollama.url)
    first = await to.deploy(order(name, STARTER), "ollama", Steps())
    made = modified(ollama, name)
    assert await to.deploy(order(name, STARTER), "ollama", Steps()) == first
    assert modified(ollama, name) == made

    with pytest.raises(ModelNameTaken, match="--replace"):
        await to.deploy(order(name, STARTER, context_tokens=256), "ollama", Steps())
    assert modified(ollama, name) == made
    await to.deploy(order(name, STARTER, context_tokens=256, replace=True), "ollama", Steps())
    shown = ollama.show(name)
    assert shown is not None
    assert parameters(shown["parameters"])["num_ctx"] == 256


async def test_a_model_that_is_removed_is_gone_and_a_second_removal_finds_nothing(
    ollama: Ollama, tmp_path: Path, name: str
) -> None:
    to = deployer(tmp_path / "models", ollama.url)
    await to.deploy(order(name, STARTER), "ollama", Steps())
    assert await to.remove(f"ollama:{name}") >= STARTER.stat().st_size
    assert ollama.show(name) is None
    assert await to.remove(f"ollama:{name}") == 0


async def test_a_model_that_never_stops_is_at_no_provider(
    real_ollama: Ollama, tmp_path: Path, name: str
) -> None:
    endless = answering(tmp_path / "endless.gguf", TEMPLATE, stops=False)
    to = deployer(tmp_path / "models", real_ollama.url)
    for destination in ("ollama", "llamacpp"):
        with pytest.raises(DoesNotAnswer, match="does not stop"):
            await to.deploy(order(name, endless), destination, Steps())
    assert real_ollama.show(name) is None
    assert names_at(real_ollama, "hone-unproven") == []
    assert list((tmp_path / "models").rglob("*")) == []


async def test_a_model_without_a_template_is_refused_unless_a_person_gives_one(
    real_ollama: Ollama, tmp_path: Path, name: str
) -> None:
    base, steps = answering(tmp_path / "base.gguf", None), Steps()
    to = deployer(tmp_path / "models", real_ollama.url)
    for destination in ("ollama", "llamacpp"):
        with pytest.raises(NoTemplate, match="--template"):
            await to.deploy(order(name, base), destination, steps)
    assert steps.stages == []  # found before a byte is sent

    placed = await to.deploy(order(name, base, template=CHATML), "ollama", Steps())
    assert placed.proof["hosts"][real_ollama.url]["template"] == {"origin": "given"}


async def test_a_template_that_a_person_gives_is_taken_and_told_where_it_differs(
    real_ollama: Ollama, tmp_path: Path, name: str
) -> None:
    nearly = CHATML.replace("{{ .Role }}\n", "{{ .Role }} ")
    to = deployer(tmp_path / "models", real_ollama.url)
    placed = await to.deploy(order(name, STARTER, template=nearly), "ollama", Steps())
    told = placed.proof["hosts"][real_ollama.url]["template"]
    assert told["origin"] == "given"
    assert set(told["conversations"].values()) == {"differs"}


async def test_the_embedded_engine_gets_the_file_itself_once_it_is_proven(tmp_path: Path) -> None:
    model, folder = answering(tmp_path / "model.gguf", TEMPLATE), tmp_path / "models"
    to = deployer(folder, "127.0.0.1:1")
    assert await to.destinations() == ("llamacpp",)
    placed = await to.deploy(order("tiny:q4_k_m", model), "llamacpp", Steps())
    file = folder / "tiny" / "q4_k_m.gguf"
    assert (placed.reference, placed.uri) == ("llamacpp:tiny:q4_k_m", file.as_uri())
    assert file.samefile(model)  # no second copy of gigabytes
    assert placed.proof["answers"][0] == "hello"

    model.unlink()
    file.rename(tmp_path / "away.gguf")
    (tmp_path / "away.gguf").rename(model)
    await to.deploy(order("tiny:q4_k_m", model, replace=True), "llamacpp", Steps())
    assert file.exists()
    assert await to.remove("llamacpp:tiny:q4_k_m") == 0  # `model` still has its content
    assert list(folder.iterdir()) == []


async def test_a_name_of_the_embedded_engine_is_one_models_until_it_shall_make_way(tmp_path: Path) -> None:
    model, folder = answering(tmp_path / "model.gguf", TEMPLATE), tmp_path / "models"
    to = deployer(folder, "127.0.0.1:1")
    first = await to.deploy(order("tiny", STARTER), "llamacpp", Steps())
    assert await to.deploy(order("tiny", STARTER), "llamacpp", Steps()) == first
    with pytest.raises(ModelNameTaken, match="--replace"):
        await to.deploy(order("tiny", model), "llamacpp", Steps())
    assert sha256(folder / "tiny" / "tiny.gguf") == first.sha256
    await to.deploy(order("tiny", model, replace=True), "llamacpp", Steps())
    assert sha256(folder / "tiny" / "tiny.gguf") == sha256(model)

    (folder / "mine").mkdir()
    (folder / "mine" / "mine.gguf").write_bytes(b"a person's own")
    with pytest.raises(ModelNameTaken):
        await to.deploy(order("mine", model), "llamacpp", Steps())
    assert await to.remove("llamacpp:mine") == 0
    assert (folder / "mine" / "mine.gguf").read_bytes() == b"a person's own"


async def test_the_embedded_engine_takes_files_and_nothing_else(tmp_path: Path) -> None:
    to = deployer(tmp_path / "models", "127.0.0.1:1")
    with pytest.raises(NotEmbeddable):
        await to.deploy(order("tiny", None, folder=tmp_path), "llamacpp", Steps())


def names_at(ollama: Ollama, prefix: str) -> list[str]:
    models = ollama._ask("GET", "/api/tags").json()["models"]
    return [each["name"] for each in models if each["name"].startswith(prefix)]


def modified(ollama: Ollama, name: str) -> str:
    shown = ollama.show(name)
    assert shown is not None
    return str(shown["modified_at"])
