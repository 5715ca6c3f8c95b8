"""Weights to be trained, of a hub on real sockets, an added model, or a folder: sound, or refused before."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_parts.deploying import hub as started_hub
from hub_parts.models import Library, TinyModel
from hub_parts.starter import STARTER
from local_hub import LocalHub, Trouble, serving
from lying import lying
from pydantic import SecretStr
from running import until
from transformers import AutoModelForCausalLM, AutoTokenizer

from hone_chassis import RemoteError, Service, rpc
from hone_chassis.tables import utc_now
from hone_contracts.hub import (
    Checkpoint,
    Conversion,
    PromptsRead,
    ReadPrompts,
    RequestCheckpoint,
    RequestConversion,
)
from hone_contracts.hub_models import AddedModel, ModelSource
from hone_hub.adding.tables import AddedModelRow
from hone_hub.settings import HubSettings
from hone_hub.training.checkpoints import Checkpoints

pytestmark = pytest.mark.slow

NAME = "acme/tiny"


@pytest.fixture
def hub_of_models() -> Iterator[LocalHub]:
    with serving() as local:
        yield local


@pytest.fixture
def settings(nats_server: Any, tmp_path: Path, hub_of_models: LocalHub) -> HubSettings:
    return HubSettings(
        nats_url=SecretStr(nats_server.url),
        data_dir=tmp_path / "data",
        file_roots=(tmp_path / "given",),
        graceful_timeout_s=0.2,
        spare_disk_bytes=0,
        OLLAMA_HOST="127.0.0.1:9",
        HF_ENDPOINT=hub_of_models.url,
        HF_TOKEN="",
    )


@pytest.fixture
async def service(settings: HubSettings) -> AsyncIterator[Service]:
    async with started_hub(settings) as running:
        yield running


@pytest.fixture
def folder(library: Library, tmp_path: Path) -> Path:
    """Among the folders that the hub was given."""
    return Path(shutil.copytree(library.folder(TinyModel()), tmp_path / "given" / "tiny"))


def files_of(folder: Path, **config: Any) -> dict[str, Path | bytes]:
    files: dict[str, Path | bytes] = {each.name: each for each in folder.iterdir()}
    told = json.loads((folder / "config.json").read_text()) | config
    return files | {"config.json": json.dumps(told).encode(), "README.md": b"# tiny"}


async def asked(service: Service, model: str) -> Checkpoint:
    question = RequestCheckpoint(model=model)
    return await rpc.ask(service.running.client, RequestCheckpoint.subject, question, Checkpoint, 30)


async def ready(service: Service, model: str) -> tuple[Path, Checkpoint]:
    told = await until(lambda: asked(service, model), lambda each: each.uri is not None)
    assert told.uri is not None
    return Path(told.uri.removeprefix("file://")), told


async def refusal(service: Service, model: str) -> str:
    with pytest.raises(RemoteError) as refused:
        await ready(service, model)
    assert "; " in refused.value.body.detail or ": " in refused.value.body.detail, "it says what to do"
    return refused.value.body.code


async def remember(service: Service, name: str, source: ModelSource) -> None:
    model = AddedModel(name=name, references=(f"ollama:{name}",), source=source, added_at=utc_now())
    row = AddedModelRow(
        name=name, job_id="job-1", model=model.model_dump(mode="json"), tidy=True, added_at=model.added_at
    )
    async with service.database.write() as session:
        session.add(row)


async def test_a_repository_becomes_a_folder_that_transformers_loads_and_its_source_names_it_for_good(
    service: Service, hub_of_models: LocalHub, folder: Path
) -> None:
    kept = hub_of_models.add(NAME, files_of(folder), licence="mit")
    place, told = await ready(service, f"hf:{NAME}")
    assert (told.source, told.licence) == (f"hf:{NAME}@{kept.commit}", "mit")
    assert told.done_bytes == told.total_bytes > (folder / "model.safetensors").stat().st_size
    assert (place / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    assert not (place / "README.md").exists()
    assert AutoModelForCausalLM.from_pretrained(place).config.hidden_size == 64
    assert AutoTokenizer.from_pretrained(place).eos_token == "<|im_end|>"
    assert (await ready(service, told.source))[1] == told


async def test_an_added_model_is_trained_from_its_repository_or_from_what_its_gguf_was_made_of(
    service: Service, hub_of_models: LocalHub, folder: Path
) -> None:
    original = hub_of_models.add(NAME, files_of(folder))
    tags = (f"base_model:{NAME}", f"base_model:quantized:{NAME}")
    made = hub_of_models.add("acme/tiny-GGUF", {"tiny-Q8_0.gguf": STARTER}, tags=tags)
    silent = hub_of_models.add("acme/silent-GGUF", {"tiny-Q8_0.gguf": STARTER})
    sources = {
        "own": ModelSource(kind="huggingface", repository=NAME, revision=original.commit),
        "quant": ModelSource(kind="huggingface", repository=made.id, revision=made.commit),
        "silent": ModelSource(kind="huggingface", repository=silent.id, revision=silent.commit),
        "mine": ModelSource(kind="folder", repository=str(folder)),
        "a-file": ModelSource(kind="file", repository=str(folder)),
        "qwen": ModelSource(kind="ollama", repository="qwen3:8b"),
    }
    for name, source in sources.items():
        await remember(service, name, source)
    for name in ("ollama:own", "quant"):
        assert (await ready(service, name))[1].source == f"hf:{NAME}@{original.commit}"
    assert (await ready(service, "ollama:mine"))[1].source == folder.as_uri()
    for name in ("silent", "a-file", "ollama:qwen", "llamacpp:unknown"):
        assert await refusal(service, name) == "no_checkpoint"


async def test_what_could_not_be_trained_is_refused_before_its_weights_are_fetched(
    service: Service, hub_of_models: LocalHub, folder: Path
) -> None:
    wrong: dict[str, Any] = {
        "acme/gptq": files_of(folder, quantization_config={"quant_method": "gptq", "bits": 4}),
        "acme/code": files_of(folder, auto_map={"AutoModel": "x.Y"}),
        "acme/bert": files_of(folder, architectures=["BertModel"]),
        "acme/cohere": files_of(folder, architectures=["CohereForCausalLM"]),
        "acme/pickles": {"pytorch_model.bin": b"x", "config.json": b"{}"},
        "acme/adapter": {"adapter_config.json": b"{}", "adapter_model.safetensors": b"x"},
    }
    for name, files in wrong.items():
        hub_of_models.add(name, files)
    hub_of_models.add("acme/gated", files_of(folder), gated=True)
    codes = {name: await refusal(service, f"hf:{name}") for name in [*wrong, "acme/gated", "acme/none"]}
    assert codes == {
        "acme/gptq": "checkpoint_quantized",
        "acme/code": "no_checkpoint",
        "acme/bert": "no_checkpoint",
        "acme/cohere": "no_checkpoint",
        "acme/pickles": "no_checkpoint",
        "acme/adapter": "no_checkpoint",
        "acme/gated": "repository_gated",
        "acme/none": "repository_missing",
    }
    assert lying(service.settings.data_dir / "hub" / "checkpoints", ".safetensors") == []


async def test_a_folder_is_looked_at_before_a_run_begins(
    service: Service, folder: Path, tmp_path: Path
) -> None:
    found, told = await ready(service, folder.as_uri())
    assert (found, told.source) == (folder, folder.as_uri())
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-10])
    assert await refusal(service, folder.as_uri()) == "source_invalid"
    (folder / "model.safetensors").write_bytes(weights)
    config = json.loads((folder / "config.json").read_text())
    quantized = {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}
    (folder / "config.json").write_text(json.dumps(config | quantized))
    assert await refusal(service, folder.as_uri()) == "checkpoint_quantized"
    for place in (tmp_path, service.settings.data_dir / "trainer"):  # others' runs are not to be named
        assert await refusal(service, place.as_uri()) == "outside_roots"
    assert await refusal(service, (tmp_path / "given" / "none").as_uri()) == "file_missing"
    assert await refusal(service, "file://elsewhere/model") == "not_file_uri"
    for nonsense in ("hf:../../etc", "hf:a/b@../c", "hf:", "", "x" * 4096):
        assert await refusal(service, nonsense) == "no_checkpoint"


async def test_weights_that_are_here_are_found_while_the_hub_of_models_is_away(
    service: Service, hub_of_models: LocalHub, folder: Path
) -> None:
    hub_of_models.add(NAME, files_of(folder))
    _, told = await ready(service, f"hf:{NAME}")
    for path in (None, "config.json"):
        hub_of_models.trouble(NAME, path, *[Trouble(status=503)] * 100)
    for model in (f"hf:{NAME}", told.source):
        assert (await ready(service, model))[1] == told
    assert await refusal(service, "hf:acme/other") == "repository_missing"


async def test_a_download_that_broke_off_is_told_and_goes_on_when_asked_again(
    service: Service, hub_of_models: LocalHub, folder: Path
) -> None:
    hub_of_models.add(NAME, files_of(folder))
    hub_of_models.trouble(NAME, "model.safetensors", Trouble(status=404, times=1))
    assert await refusal(service, f"hf:{NAME}") == "hub_refuses"
    place, _ = await ready(service, f"hf:{NAME}")
    assert (place / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()


async def test_weights_that_no_run_asks_for_are_removed_and_others_stay(
    service: Service, settings: HubSettings, hub_of_models: LocalHub, folder: Path
) -> None:
    hub_of_models.add(NAME, files_of(folder))
    hub_of_models.add("acme/other", files_of(folder))
    old, told = await ready(service, f"hf:{NAME}")
    new, _ = await ready(service, "hf:acme/other")
    shelf = settings.data_dir / "hub" / "checkpoints"
    for record in (shelf / "found").iterdir():
        if f'"{NAME}"' in record.read_text():
            os.utime(record, (time.time() - 31 * 86_400,) * 2)
    # As is done every few hours.
    owners = [getattr(each, "__self__", None) for each in service.backgrounds]
    (checkpoints,) = [each for each in owners if isinstance(each, Checkpoints)]
    await checkpoints.sweep()
    assert not old.exists()
    assert (new / "model.safetensors").is_file()
    assert (await ready(service, f"hf:{NAME}"))[1] == told


async def test_conversions_and_prompts_are_asked_over_the_bus(service: Service, folder: Path) -> None:
    client, target = service.running.client, folder.parent / "model.gguf"
    wanted = RequestConversion(
        source_uri=folder.as_uri(), target_uri=target.as_uri(), quantization="q8_0", name="a", version="v1"
    )

    async def convert() -> Conversion:
        return await rpc.ask(client, RequestConversion.subject, wanted, Conversion, 30)

    assert (await until(convert, lambda told: told.sha256 is not None)).size_bytes == target.stat().st_size
    chat = ({"role": "user", "content": "Hi"},)
    question = ReadPrompts(source_uri=folder.as_uri(), conversations=(chat,))
    told = await rpc.ask(client, ReadPrompts.subject, question, PromptsRead, 60)
    assert told.token_ids[0] is not None
    assert told.end_ids
