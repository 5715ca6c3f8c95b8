"""The compatibility guide (docs/compatibility.md), row by row: what works does, and what does not says so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from hub_parts.adding import added, adding, order, refusal
from hub_parts.answering import answering
from hub_parts.families import make
from hub_parts.models import TEMPLATE
from hub_parts.ollamas import CHATML, Ollama
from hub_parts.registry import Registry
from hub_parts.registry import serving as serving_library
from hub_parts.starter import STARTER
from local_hub import LocalHub, serving
from pydantic import SecretStr

from hone_contracts.hub_models import AddModel
from hone_hub.settings import HubSettings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

GUIDE = Path(__file__).parents[3] / "docs" / "compatibility.md"
FAMILIES = {
    "Llama": ("llama, yarn", "llama"),
    "Mistral": ("mistral, wide heads", "llama"),
    "Qwen 2": ("qwen2", "qwen2"),
    "Qwen 3": ("qwen3", "qwen3"),
    "Gemma 2": ("gemma2", "gemma2"),
    "Gemma 3": ("gemma3", "gemma3"),
    "Phi-3": ("phi3", "phi3"),
}
"""A tiny random one of each; they say nothing sensible, so that they are converted and inspected, not served."""


def rows(heading: str) -> dict[str, str]:
    """The first two columns of the table that begins so, without the marks for code."""
    text = GUIDE.read_text("utf-8")
    table = text[text.index(f"| {heading} |") :].split("\n\n", maxsplit=1)[0].splitlines()[2:]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table]
    return {cell[0].replace("`", ""): cell[1].strip("`") for cell in cells}


@pytest.fixture
def models() -> Iterator[LocalHub]:
    with serving() as local:
        yield local


@pytest.fixture
def settings(nats_server: Any, tmp_path: Path, models: LocalHub) -> HubSettings:
    return HubSettings(
        nats_url=SecretStr(nats_server.url),
        data_dir=tmp_path / "data",
        graceful_timeout_s=0.2,
        retry_delay_s=0.05,
        max_deliver=1,
        spare_disk_bytes=0,
        OLLAMA_HOST="127.0.0.1:9",
        HF_ENDPOINT=models.url,
        HF_TOKEN="",
    )


def folder_in(models: LocalHub, id: str, folder: Path, **more: Any) -> str:
    models.add(id, {path.name: path for path in folder.iterdir()}, **more)
    return id


def configured(models: LocalHub, id: str, files: Mapping[str, bytes | str], **config: Any) -> str:
    told = {"architectures": ["LlamaForCausalLM"], "model_type": "llama"} | config
    models.add(id, {"config.json": json.dumps(told), "tokenizer.json": "{}", **files})
    return id


async def test_every_family_of_safetensors_in_the_guide_is_converted(
    settings: HubSettings, models: LocalHub, tmp_path: Path
) -> None:
    named = [
        row.removeprefix("safetensors of ") for row in rows("what works") if row.startswith("safetensors")
    ]
    assert sorted(named) == sorted(FAMILIES)
    async with adding(settings) as (service, _):
        for name, (family, architecture) in FAMILIES.items():
            folder = make(family, tmp_path / family)
            source = folder_in(models, f"acme/{architecture}-{len(name)}", folder)
            model = await added(service, order(source, quant="q8_0", destinations=()))
            assert (model.architecture, model.quant) == (architecture, "Q8_0"), name
            assert model.parameters and model.template_sha256, name
            assert Path(model.uri.removeprefix("file://")).stat().st_size == model.size_bytes, name


async def test_everything_else_in_the_guide_that_works_is_served_and_proven(
    settings: HubSettings, models: LocalHub, real_ollama: Ollama, starter: Path, tmp_path: Path
) -> None:
    answering(tmp_path / "cut-Q8_0.gguf", TEMPLATE, tensors_each=4)
    models.add("acme/Guide-GGUF", {"guide-Q8_0.gguf": STARTER})
    models.add("acme/Cut-GGUF", {path.name: path for path in tmp_path.glob("cut-*.gguf")})
    with serving_library(Registry()) as library:
        name = library.add(
            "guide:latest", answering(tmp_path / "m.gguf", TEMPLATE), CHATML, {"stop": ["<|im_end|>"]}
        )
        orders: dict[str, AddModel] = {
            "GGUF on Hugging Face": order("acme/Guide-GGUF"),
            "GGUF in shards on Hugging Face": order("acme/Cut-GGUF"),
            "a GGUF file here": order(STARTER.as_uri()),
            "a folder of safetensors here": order(starter.as_uri(), name="guide-folder"),
            "a model that you fine-tuned": order(starter.as_uri(), name="guide-tuned", quant="f16"),
            "a name of Ollama's library": order(f"ollama:{name}", destinations=("ollama",)),
        }
        wanted = {row for row in rows("what works") if not row.startswith("safetensors")}
        assert wanted == set(orders)
        at_ollama = settings.model_copy(update={"ollama_host": real_ollama.url})
        async with adding(at_ollama) as (service, _):
            for row, each in orders.items():
                # What needs Ollama goes there, the others to the engine that is always here.
                there = each.destinations or ("llamacpp",)
                model = await added(service, each.model_copy(update={"destinations": there}))
                assert [ref.partition(":")[0] for ref in model.references] == list(there), row
                assert model.proof[there[0]], row


async def test_everything_in_the_guide_that_does_not_work_is_refused_with_its_code(
    settings: HubSettings, models: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = {"model.safetensors": b"\0" * 1000}
    gguf, cut = STARTER.read_bytes(), tmp_path / "cut.gguf"
    cut.write_bytes(gguf[:5000])
    (tmp_path / "text.gguf").write_text("not a model")
    (tmp_path / "shards").mkdir()
    answering(tmp_path / "shards" / "s-Q8_0.gguf", TEMPLATE, tensors_each=4)
    first, *others = sorted((tmp_path / "shards").iterdir())
    others[0].unlink()
    base, endless = answering(tmp_path / "base.gguf", None), tmp_path / "endless.gguf"
    answering(endless, TEMPLATE, stops=False)
    models.add("acme/pickled", {"pytorch_model.bin": b"\x80", "config.json": "{}"})
    models.add("acme/adapter", {"adapter_config.json": "{}", "adapter_model.safetensors": b"\0" * 100})
    models.add("acme/gated", {"a-Q8_0.gguf": gguf}, gated=True)
    models.add("acme/some", {"a-Q8_0.gguf": gguf})
    models.add("acme/shards", {path.name: path for path in (first, *others[1:])})
    models.add(
        "acme/images",
        {"model_index.json": "{}", **weights},
        library="diffusers",
        pipeline_tag="text-to-image",
    )
    quantized = {"quant_method": "gptq", "bits": 4}
    orders: dict[str, AddModel] = {
        "pickled weights (.bin, .pt)": order("acme/pickled"),
        "a model that brings its own code": order(
            configured(models, "acme/code", weights, auto_map={"AutoModelForCausalLM": "modeling_x.X"})
        ),
        "an adapter (LoRA)": order("acme/adapter"),
        "weights quantized already (GPTQ, AWQ, bitsandbytes, FP8)": order(
            configured(models, "acme/gptq", weights, quantization_config=quantized)
        ),
        "a model that makes vectors (BERT)": order(
            configured(models, "acme/bert", weights, architectures=["BertModel"], model_type="bert")
        ),
        "a model that makes images": order("acme/images"),
        "an architecture that nobody knows": order(
            configured(models, "acme/new", weights, architectures=["NovelForCausalLM"], model_type="novel")
        ),
        "a gated repository": order("acme/gated"),
        "a private or missing repository": order("acme/none"),
        "a quantization that is not there": order("acme/some", quant="Q2_K"),
        "a repository of which a shard is missing": order("acme/shards"),
        "a GGUF file that was cut short": order(cut.as_uri()),
        "a file that is no GGUF": order((tmp_path / "text.gguf").as_uri()),
        "a base model without a chat template": order(base.as_uri()),
        "a model that never ends its answers": order(endless.as_uri()),
        "a name that another model has": order(STARTER.as_uri(), name="some:q8_0"),
    }
    configured(models, "acme/mlx", weights)
    models.repositories["acme/mlx"].library = "mlx"
    orders["weights for MLX"] = order("acme/mlx")
    expected = rows("what does not")
    large = "more than any card or memory holds"
    assert set(expected) == {*orders, large}
    found: dict[str, str] = {}
    async with adding(settings) as (service, _):
        await added(service, order("acme/some", destinations=()))
        for row, each in orders.items():
            found[row], _ = await refusal(service, each)
        memory = psutil.virtual_memory()._replace(available=100_000)
        monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
        found[large], detail = await refusal(service, order("acme/some", name="large"))
        assert "--force" in detail
        assert found == expected
        forced = await added(service, order("acme/some", name="large", force=True, destinations=()))
        assert forced.quant == "Q8_0"
