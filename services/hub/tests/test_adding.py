"""The whole way of a model that a person adds, with the real parts: a hub on real sockets, Ollama, llama.cpp."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_parts.adding import added, adding, ends, listed, order, reached, refusal, removed, workers
from hub_parts.answering import answering
from hub_parts.deploying import publish, stages_of
from hub_parts.models import TEMPLATE
from hub_parts.ollamas import Ollama
from hub_parts.starter import STARTER
from local_hub import LocalHub, Trouble, serving
from lying import lying
from pydantic import SecretStr
from running import until

from hone_contracts.hub_models import RemoveModel
from hone_contracts.ids import new_id
from hone_contracts.job_messages import JobCancelled
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
    return sorted(each.name for each in lying(settings.data_dir / "hub" / "downloads", ".gguf"))


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
        assert model.proof["ollama"]["hosts"][ollama.url]["stopped"] >= 1
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


async def test_without_an_ollama_the_embedded_engine_gets_the_file(
    settings: HubSettings, repository: str
) -> None:
    async with adding(settings) as (service, _):
        model = await added(service, order(repository, name="Mine"))
        assert (model.name, model.references) == ("Mine", ("llamacpp:Mine",))
        path = Path(model.uri.removeprefix("file://"))
        assert path.is_relative_to(settings.data_dir / "models")
        assert path.read_bytes() == STARTER.read_bytes()
        await until(lambda: downloads(settings) == [])
        assert path.read_bytes() == STARTER.read_bytes(), "it is not the download's any more"
        gone = await removed(service, "llamacpp:Mine")
        assert (gone.name, gone.freed_bytes) == ("Mine", STARTER.stat().st_size)
        assert not path.exists()


async def test_safetensors_are_converted_and_served_at_both_places(
    settings: HubSettings, ollama: Ollama, hub_of_models: LocalHub, starter: Path
) -> None:
    name = f"acme/whole-{next(_numbers)}"
    hub_of_models.add(name, {path.name: path for path in starter.iterdir()})
    async with adding(with_ollama(settings, ollama)) as (service, _):
        wanted = order(name, quant="q8_0", destinations=("ollama", "llamacpp"))
        steps = await stages_of(service, wanted.correlation_id)
        model = await added(service, wanted)
        called = f"{name.removeprefix('acme/')}:q8_0"
        assert model.references == (f"ollama:{called}", f"llamacpp:{called}")
        assert (model.quant, model.architecture, model.sha256 != "") == ("Q8_0", "llama", True)
        assert {"model.safetensors", "config.json"} <= set(model.source.files)
        stages = []
        while not steps.empty():
            stages.append(steps.get_nowait().stage)
        assert "convert" in stages
        assert stages.index("download") < stages.index("convert") < stages.index("upload")
        await until(lambda: not lying(settings.data_dir / "hub", ".safetensors"))
        await until(lambda: not lying(settings.data_dir / "hub" / "converted", ".gguf"))
        await removed(service, model.name)
        assert ollama.show(called) is None
        assert not any((settings.data_dir / "models").rglob("*.gguf"))


async def test_what_ollama_alone_makes_a_model_of_goes_there_as_a_folder_and_nowhere_else(
    settings: HubSettings, real_ollama: Ollama, starter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Llama stands for an architecture that is Ollama's alone: the starter is the only tiny model that answers."""
    monkeypatch.setattr("hone_hub.adding.looking.OLLAMA_IMPORTS", frozenset({"LlamaForCausalLM"}))
    async with adding(with_ollama(settings, real_ollama)) as (service, _):
        wanted = order(starter.as_uri(), name="imported:q8", quant="q8_0", destinations=("ollama",))
        model = await added(service, wanted)
        assert (model.references, model.quant) == (("ollama:imported:q8",), "Q8_0")
        assert model.sha256 and model.size_bytes and model.architecture == "LlamaForCausalLM"
        shown = real_ollama.show("imported:q8")
        assert shown is not None and shown["details"]["quantization_level"] == "Q8_0"
        embedded = order(starter.as_uri(), name="here", quant="q8_0", destinations=("llamacpp",))
        assert (await refusal(service, embedded))[0] == "bad_choice"
        await removed(service, model.name)
        assert real_ollama.show("imported:q8") is None


async def test_only_downloaded_it_stays_on_the_disk_until_it_is_removed(
    settings: HubSettings, hub_of_models: LocalHub, repository: str
) -> None:
    async with adding(settings) as (service, registry):
        model = await added(service, order(repository, destinations=()))
        assert model.references == ()
        assert Path(model.uri.removeprefix("file://")).read_bytes() == STARTER.read_bytes()
        # Then it is served, too, and nothing is downloaded for it.
        sent = hub_of_models.served(repository, "tiny-Q8_0.gguf").sent_bytes
        served = await added(service, order(repository, destinations=("llamacpp",)))
        assert served.references == (f"llamacpp:{model.name}",)
        assert (
            hub_of_models.served(repository, "tiny-Q8_0.gguf").sent_bytes - sent < STARTER.stat().st_size / 2
        )
        await removed(service, model.name)
        assert registry.released == [served.references]
    assert downloads(settings) == []


async def test_a_file_its_shards_and_a_folder_on_this_machine_are_added(
    settings: HubSettings, starter: Path, tmp_path: Path
) -> None:
    file = tmp_path / "Local-Model-Q8_0.gguf"
    file.write_bytes(STARTER.read_bytes())
    first = answering(tmp_path / "cut.gguf", TEMPLATE, tensors_each=4)
    async with adding(settings) as (service, _):
        model = await added(service, order(file.as_uri()))
        assert (model.name, model.source.kind, model.quant) == ("local-model:q8_0", "file", "Q8_0")
        whole = await added(service, order(first.as_uri(), name="cut"))
        assert len(whole.source.files) == 3
        assert len(list((settings.data_dir / "models" / "cut").glob("*.gguf"))) == 3
        trained = await added(service, order(starter.as_uri(), name="trained"))
        assert (trained.source.kind, trained.quant, trained.parameters) == (
            "folder",
            "Q8_0",
            model.parameters,
        )
        for each in (model, whole, trained):
            await removed(service, each.name)
    assert file.exists() and first.exists() and (starter / "model.safetensors").exists(), (
        "a person's own files stay"
    )


async def test_what_cannot_work_is_refused_before_anything_is_downloaded(
    settings: HubSettings, hub_of_models: LocalHub, repository: str, tmp_path: Path
) -> None:
    hub_of_models.add("acme/pickled", {"pytorch_model.bin": b"\x80", "config.json": "{}"})
    hub_of_models.add("acme/gated", {"a-Q8_0.gguf": STARTER}, gated=True)
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(STARTER.read_bytes()[:5000])
    (tmp_path / "notes.txt").write_text("x")
    async with adding(settings) as (service, _):
        for source, code, words in (
            ("acme/pickled", "not_supported", "safetensors"),
            ("acme/gated", "repository_gated", "HF_TOKEN"),
            ("acme/none", "repository_missing", "check its name"),
            ("not a name", "bad_source", "owner/name"),
            ("ollama:hf.co/acme/x", "bad_source", "acme/x of Hugging Face"),
            ((tmp_path / "notes.txt").as_uri(), "bad_source", "neither a folder nor a .gguf"),
            ((tmp_path / "none.gguf").as_uri(), "bad_source", "no such file"),
            (broken.as_uri(), "truncated_gguf", "fetch the file again"),
        ):
            found, detail = await refusal(service, order(source))
            assert (found, words in detail) == (code, True), detail
        found, detail = await refusal(service, order(repository, quant="Q2_K"))
        assert (found, "there are: Q8_0" in detail) == ("unknown_quant", True), detail
        found, _ = await refusal(service, order("ollama:tiny", destinations=("llamacpp",)))
        assert found == "bad_choice"
        assert hub_of_models.served("acme/gated", "a-Q8_0.gguf").sent_bytes == 0
    assert downloads(settings) == []


async def test_a_disk_that_is_too_small_is_seen_before_the_first_byte(
    settings: HubSettings, hub_of_models: LocalHub, repository: str
) -> None:
    async with adding(settings.model_copy(update={"spare_disk_bytes": 1 << 60})) as (service, _):
        code, detail = await refusal(service, order(repository))
        assert (code, "HONE_SPARE_DISK_BYTES" in detail) == ("not_enough_disk", True)
    assert downloads(settings) == []


async def test_a_name_that_another_model_has_is_taken_only_when_it_shall_be(
    settings: HubSettings, hub_of_models: LocalHub, repository: str, tmp_path: Path
) -> None:
    other = answering(tmp_path / "other.gguf", TEMPLATE)
    async with adding(settings) as (service, _):
        first = await added(service, order(repository, name="mine"))
        code, detail = await refusal(service, order(other.as_uri(), name="mine"))
        assert (code, repository in detail, "--replace" in detail) == ("name_taken", True, True)
        second = await added(service, order(other.as_uri(), name="mine", replace=True))
        assert second.sha256 != first.sha256
        assert second.references == first.references
        assert [each.sha256 for each in await listed(service)] == [second.sha256]
        assert Path(second.uri.removeprefix("file://")).read_bytes() == other.read_bytes()


async def test_a_model_that_does_not_answer_is_nowhere_and_what_was_downloaded_stays(
    settings: HubSettings, hub_of_models: LocalHub, tmp_path: Path
) -> None:
    endless = answering(tmp_path / "endless.gguf", TEMPLATE, stops=False)
    hub_of_models.add("acme/Endless-GGUF", {"endless-F32.gguf": endless})
    async with adding(settings) as (service, _):
        code, detail = await refusal(service, order("acme/Endless-GGUF"))
        assert (code, "stop" in detail) == ("does_not_answer", True), detail
        assert await listed(service) == ()
    assert not any((settings.data_dir / "models").rglob("*.gguf"))
    assert downloads(settings) == ["endless-F32.gguf"]


async def test_a_model_in_use_stays_whole_and_unknown_ones_are_told_apart(
    settings: HubSettings, repository: str
) -> None:
    async with adding(settings) as (service, registry):
        model = await added(service, order(repository))
        registry.in_use = set(model.references)
        removal = RemoveModel(correlation_id=new_id("job"), name=model.name)
        assert (await refusal(service, removal))[0] == "model_in_use"
        assert Path(model.uri.removeprefix("file://")).exists()
        assert [each.name for each in await listed(service)] == [model.name]
        unknown = RemoveModel(correlation_id=new_id("job"), name="llamacpp:hone-starter")
        code, detail = await refusal(service, unknown)
        assert (code, model.name in detail) == ("no_such_added_model", True)


async def test_a_hub_in_trouble_is_tried_again_and_then_the_job_says_so(
    settings: HubSettings, hub_of_models: LocalHub, repository: str
) -> None:
    async with adding(settings) as (service, _):
        hub_of_models.trouble(repository, None, Trouble(status=503, times=1))
        assert (await added(service, order(repository))).sha256
        hub_of_models.trouble(repository, None, Trouble(status=503))
        code, detail = await refusal(service, order(repository, name="again"))
        assert (code, "try again" in detail) == ("hub_broken", True)


async def test_a_cancelled_addition_is_nowhere_and_another_goes_on_from_there(
    settings: HubSettings, ollama: Ollama, hub_of_models: LocalHub, tmp_path: Path
) -> None:
    name = f"acme/Slow-{next(_numbers)}-GGUF"
    hub_of_models.add(name, {"slow-Q8_0.gguf": STARTER})
    async with adding(with_ollama(settings, ollama)) as (service, _):
        await added(service, order(name, name="warm", destinations=()))  # what its header takes is known
        await removed(service, "warm")
        looked = hub_of_models.served(name, "slow-Q8_0.gguf").sent_bytes - STARTER.stat().st_size
        hub_of_models.trouble(name, "slow-Q8_0.gguf", Trouble(bytes_per_s=400_000))
        wanted = order(name)
        await reached(service, wanted, "download", done_bytes=600_000)
        await publish(service, JobCancelled.caused_by(wanted))
        await until(lambda: not workers("hone_hub.downloads.worker"))
        assert await ends(service, wanted.correlation_id) == []
        hub_of_models.trouble(name, "slow-Q8_0.gguf")
        before = hub_of_models.served(name, "slow-Q8_0.gguf").sent_bytes
        model = await added(service, order(name))
        sent = hub_of_models.served(name, "slow-Q8_0.gguf").sent_bytes - before - looked
        assert sent < STARTER.stat().st_size - 300_000, "it went on from what was there"
        await removed(service, model.name)
