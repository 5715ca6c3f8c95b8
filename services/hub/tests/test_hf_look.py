"""Searching and inspecting a hub on real sockets, through the real client, without downloading weights."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hub_parts.models import Library, TinyModel
from hub_parts.starter import STARTER
from local_hub import LocalHub, Trouble, serving
from pydantic import SecretStr
from running import until

from hone_contracts.huggingface import InspectRepository, MemoryPlace, RepositoryReport, SearchModels
from hone_hub.convert import Quant, convert
from hone_hub.downloads.downloads import Downloads, Wanted
from hone_hub.huggingface.access import HubAccess
from hone_hub.huggingface.repository import Repositories
from hone_hub.refusals import Refused
from hone_hub.work import Step

MEMORY = MemoryPlace(kind="ram", name="memory", total_bytes=1 << 36, free_bytes=1 << 35)
WEIGHTS = STARTER.read_bytes()
NAME = "acme/tiny-GGUF"
CONFIG = {"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "num_hidden_layers": 2,
          "num_attention_heads": 4, "hidden_size": 64, "vocab_size": 400}  # fmt: skip


@pytest.fixture
def hub() -> Iterator[LocalHub]:
    with serving() as local:
        yield local


def repositories(
    hub: LocalHub, *, token: str | None = None, free: int = 1 << 35, limit_s: float = 30
) -> Repositories:
    async def places() -> tuple[MemoryPlace, ...]:
        return (MEMORY.model_copy(update={"free_bytes": free}),)

    return Repositories(HubAccess(hub.url, SecretStr(token) if token else None), places, limit_s)


async def look(hub: LocalHub, name: str = NAME, free: int = 1 << 35, **more: Any) -> RepositoryReport:
    return await repositories(hub, free=free).report(InspectRepository(repository=name, **more))


async def refusal(hub: LocalHub, name: str, **more: Any) -> str:
    with pytest.raises(Refused) as refused:
        await look(hub, name, **more)
    return refused.value.body().code


def add_quants(hub: LocalHub, **more: Any) -> None:
    """The same small file under several names, larger ones padded, as a hub has them."""
    hub.add(
        NAME,
        {
            "tiny-Q2_K.gguf": STARTER,
            "tiny-Q4_K_M.gguf": WEIGHTS,
            "tiny-Q8_0.gguf": WEIGHTS + b"\0" * 100_000,
            "tiny-BF16-00001-of-00002.gguf": WEIGHTS,
            "tiny-BF16-00002-of-00002.gguf": WEIGHTS,
            "mmproj-tiny-f16.gguf": b"GGUF",
            "README.md": b"# tiny",
        },
        **more,
    )


async def test_a_search_tells_what_each_model_is_good_for(hub: LocalHub) -> None:
    hub.add(NAME, {"tiny-Q8_0.gguf": STARTER}, downloads=50, likes=3, licence="mit",
            gguf={"architecture": "llama", "total": 2_600_000})  # fmt: skip
    hub.add("acme/tiny", {"model.safetensors": b"x" * 100, "config.json": json.dumps(CONFIG)}, downloads=90,
            safetensors={"parameters": {"BF16": 1000}, "total": 1000}, gated=True)  # fmt: skip
    hub.add("acme/tiny-old", {"pytorch_model.bin": b"x"}, downloads=10)
    hub.add("other/large", {"a.gguf": STARTER}, downloads=1000)
    found = (await repositories(hub).search(SearchModels(query="tiny", limit=10))).models
    assert [model.id for model in found] == ["acme/tiny", NAME, "acme/tiny-old"]
    assert [model.verdict for model in found] == ["convertible", "runs", "unsupported"]
    first, gguf, old = found
    assert first.gated and first.parameters == 1000 and first.architecture == "Qwen2ForCausalLM"
    assert (gguf.licence, gguf.likes, gguf.formats, gguf.parameters) == ("mit", 3, ("gguf",), 2_600_000)
    assert gguf.updated_at is not None and "pickles" in old.reason
    assert len((await repositories(hub).search(SearchModels(query="tiny", limit=2))).models) == 2


async def test_a_repository_is_known_by_its_headers_alone(hub: LocalHub) -> None:
    add_quants(hub, licence="apache-2.0")
    report = await look(hub)
    assert report.architecture == "llama" and report.layers == 5 and report.heads == 6
    assert report.chat_template and "im_start" in report.chat_template
    assert report.verdict == "runs" and report.licence == "apache-2.0"
    assert report.revision == hub.repositories[NAME].commit
    assert [group.quant for group in report.groups] == ["Q2_K", "Q4_K_M", "Q8_0", "BF16"]
    assert report.chosen == 1 and report.groups[1].fits == "memory"
    assert report.groups[1].files[0].sha256 == hub.repositories[NAME].files["tiny-Q4_K_M.gguf"].sha256
    assert [file.path for file in report.projectors] == ["mmproj-tiny-f16.gguf"]
    figures = report.groups[1].memory
    assert figures is not None and figures.total_bytes > figures.weights_bytes >= len(WEIGHTS)
    assert hub.served(NAME, "mmproj-tiny-f16.gguf").gets == 0


async def test_two_models_in_one_repository_are_each_as_their_own_header_says(
    hub: LocalHub, library: Library, tmp_path: Path
) -> None:
    other = tmp_path / "other.gguf"
    convert(library.folder(TinyModel()), other, Quant.Q8_0)
    hub.add("acme/two", {"starter-Q4_K_M.gguf": STARTER, "other-Q8_0.gguf": other})
    report = await look(hub, "acme/two", context_tokens=200)
    caches = {group.quant: group.memory.kv_cache_bytes for group in report.groups if group.memory}
    assert caches["Q8_0"] == 3 * 2 * (16 + 16) * 2 * 200 != caches["Q4_K_M"]


async def test_of_a_large_file_only_the_header_is_fetched(hub: LocalHub, tmp_path: Path) -> None:
    large = tmp_path / "large.gguf"
    large.write_bytes(WEIGHTS)
    with large.open("ab") as stream:
        stream.truncate(len(WEIGHTS) + (200 << 20))
    hub.add(NAME, {"tiny-Q4_K_M.gguf": large})
    report = await look(hub)
    assert report.layers == 5 and hub.served(NAME, "tiny-Q4_K_M.gguf").sent_bytes < 3 << 20


async def test_memory_grows_with_the_context_and_decides_what_fits(hub: LocalHub) -> None:
    add_quants(hub)
    short, long = await look(hub, context_tokens=512), await look(hub, context_tokens=4_000_000)
    assert short.groups[0].memory is not None and long.groups[0].memory is not None
    assert long.groups[0].memory.kv_cache_bytes == short.groups[0].memory.kv_cache_bytes * 4_000_000 // 512
    none = await look(hub, free=400 << 20, context_tokens=4_000_000)
    assert none.chosen is None and "nothing fits" in none.reasons[0]


async def test_a_quantization_that_is_named_is_chosen(hub: LocalHub) -> None:
    add_quants(hub)
    assert (await look(hub, quant="q8_0")).chosen == 2
    unknown = await look(hub, quant="Q5_K_M")
    assert unknown.chosen is None and "there are: Q2_K, Q4_K_M, Q8_0, BF16" in unknown.reasons[0]


async def test_a_broken_header_is_that_groups_problem_and_the_next_is_chosen(hub: LocalHub) -> None:
    hub.add(NAME, {"tiny-Q4_K_M.gguf": b"GGUF" + b"\xff" * 1000, "tiny-Q8_0.gguf": STARTER})
    report = await look(hub)
    by_quant = {group.quant: group for group in report.groups}
    assert "version" in by_quant["Q4_K_M"].problem and not by_quant["Q8_0"].problem
    assert report.chosen is not None and report.groups[report.chosen].quant == "Q8_0"
    hub.add(NAME, {"tiny-Q4_K_M.gguf": b"<html>no gguf</html>"})
    assert (await look(hub)).verdict == "unsupported"


async def test_a_hub_without_ranges_is_read_as_far_as_needed(hub: LocalHub) -> None:
    add_quants(hub)
    for path in hub.repositories[NAME].files:
        hub.trouble(NAME, path, Trouble(no_ranges=True))
    assert (await look(hub)).layers == 5


async def test_safetensors_are_convertible_with_a_quantization_that_fits(
    hub: LocalHub, library: Library
) -> None:
    folder = library.folder(TinyModel())
    files = {path.name: path for path in folder.iterdir()}
    hub.add("acme/tiny", files)
    report = await look(hub, "acme/tiny")
    (group,) = report.groups
    assert (
        report.verdict == "convertible" and report.architecture == "LlamaForCausalLM" and report.chosen == 0
    )
    assert report.convert_to == "q8_0" and "small" in report.reasons[0]
    assert {file.path for file in report.beside} >= {"config.json", "tokenizer.json", "tokenizer_config.json"}
    assert group.format == "safetensors" and group.memory is not None
    assert (await look(hub, "acme/tiny", quant="Q4_K_M")).convert_to == "q4_k_m"
    assert (await look(hub, "acme/tiny", quant="Q9")).chosen is None


async def test_what_ollama_alone_makes_a_model_of_is_told_with_what_it_can_quantize_to(hub: LocalHub) -> None:
    config = json.dumps(CONFIG | {"architectures": ["GemmaForCausalLM"]})
    hub.add("acme/gemma", {"model.safetensors": b"x" * 1000, "config.json": config, "tokenizer.model": b"x"})
    report = await look(hub, "acme/gemma")
    assert report.verdict == "convertible" and "Ollama" in report.reason and report.imported
    assert (report.chosen, report.convert_to) == (0, "q8_0")
    assert (await look(hub, "acme/gemma", quant="Q5_K_M")).chosen is None
    assert not (await look(hub, "acme/gemma", quant="F16")).warnings


async def test_gguf_wins_over_safetensors_beside_it(hub: LocalHub) -> None:
    hub.add(
        "acme/both", {"a-Q8_0.gguf": STARTER, "model.safetensors": b"x", "config.json": json.dumps(CONFIG)}
    )
    report = await look(hub, "acme/both")
    assert report.verdict == "runs" and [group.format for group in report.groups] == ["gguf"]


UNSUPPORTED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "own code": (
        {"model.safetensors": b"x", "config.json": CONFIG | {"auto_map": {"A": "b.C"}}},
        {},
        "code of its own",
    ),
    "pickles": ({"pytorch_model.bin": b"x", "config.json": CONFIG}, {}, "pickles"),
    "an adapter": ({"adapter_model.safetensors": b"x", "adapter_config.json": {}}, {}, "adapter"),
    "quantized": (
        {"model.safetensors": b"x", "config.json": CONFIG | {"quantization_config": {"quant_method": "awq"}}},
        {},
        "AWQ",
    ),
    "unknown": (
        {"model.safetensors": b"x", "config.json": {"architectures": ["MambaForCausalLM"]}},
        {},
        "Mamba",
    ),
    "a config that is none": ({"model.safetensors": b"x", "config.json": [1]}, {}, "does not name"),
    "images": (
        {"unet/model.safetensors": b"x"},
        {"library": "diffusers", "pipeline_tag": "text-to-image"},
        "image",
    ),
    "empty": ({"README.md": b"x"}, {}, "neither"),
}


@pytest.mark.parametrize("case", UNSUPPORTED)
async def test_what_cannot_be_used_is_told_before_anything_is_downloaded(hub: LocalHub, case: str) -> None:
    files, more, words = UNSUPPORTED[case]
    stored = {
        path: content if isinstance(content, bytes) else json.dumps(content)
        for path, content in files.items()
    }
    hub.add("acme/x", stored, **more)
    report = await look(hub, "acme/x")
    assert report.verdict == "unsupported" and words in report.reason and report.chosen is None


async def test_gated_private_missing_and_unknown_revisions_are_told_apart(hub: LocalHub) -> None:
    hub.add("acme/gated", {"a-Q8_0.gguf": STARTER}, gated=True)
    hub.add("acme/private", {"a-Q8_0.gguf": STARTER}, private=True)
    add_quants(hub)
    assert await refusal(hub, "acme/gated") == "repository_gated"
    assert await refusal(hub, "acme/private") == await refusal(hub, "acme/none") == "repository_missing"
    assert await refusal(hub, NAME, revision="v9") == "revision_missing"
    with_token = repositories(hub, token=hub.token)
    assert (await with_token.report(InspectRepository(repository="acme/private"))).private
    with pytest.raises(Refused, match="refuses the token"):
        await repositories(hub, token="wrong").report(InspectRepository(repository="acme/private"))


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_hub_in_trouble_is_told_as_such(hub: LocalHub, status: int) -> None:
    add_quants(hub)
    hub.trouble(NAME, None, Trouble(status=status))
    with pytest.raises(Refused) as refused:
        await look(hub)
    assert refused.value.body().transient


async def test_a_hub_that_is_away_or_hangs_is_told_in_time(hub: LocalHub) -> None:
    add_quants(hub)
    hub.trouble(NAME, None, Trouble(hang_s=20))
    with pytest.raises(Refused) as refused:
        await repositories(hub, limit_s=3).report(InspectRepository(repository=NAME))
    assert refused.value.body().code == "hub_unreachable"
    away = Repositories(HubAccess("http://127.0.0.1:9"), repositories(hub)._places, 20)
    with pytest.raises(Refused) as refused:
        await away.search(SearchModels(query="x"))
    assert refused.value.body().code == "hub_unreachable"


async def test_hostile_answers_are_refused_or_read_with_care(hub: LocalHub) -> None:
    hub.add("acme/up", {"../../etc/passwd.gguf": b"x"})
    assert await refusal(hub, "acme/up") == "unsafe_file_name"
    hub.add("acme/many", {f"{number}.txt": b"" for number in range(10_050)})
    assert await refusal(hub, "acme/many") == "hub_says_nonsense"
    hub.add(
        "acme/odd",
        {"a-Q8_0.gguf": STARTER},
        told={
            "gguf": {"architecture": ["x"], "total": -5},
            "downloads": -1,
            "cardData": {"license": 7},
            "tags": [3],
        },
    )
    (odd,) = (await repositories(hub).search(SearchModels(query="odd"))).models
    assert (odd.architecture, odd.parameters, odd.downloads, odd.licence) == (None, None, None, None)


async def test_many_waiting_downloads_do_not_hold_up_a_search(hub: LocalHub, tmp_path: Path) -> None:
    content = os.urandom(400_000)
    names = [f"acme/slow-{number}" for number in range(100)]
    for name in names:
        hub.add(name, {"a.gguf": content})
        hub.trouble(name, "a.gguf", Trouble(bytes_per_s=20_000))
    loads = Downloads(tmp_path, HubAccess(hub.url), spare_bytes=0)
    turns = asyncio.Semaphore(2)  # as many as the hub adds at a time

    async def tell(_step: Step) -> None:
        return

    async def download(name: str) -> None:
        async with turns:
            kept = hub.repositories[name]
            report = await repositories(hub).report(InspectRepository(repository=name))
            await loads.fetch(Wanted(name, kept.commit, report.groups[0].files), tell)

    tasks = [asyncio.create_task(download(name)) for name in names]
    try:
        await until(lambda: sum(hub.served(name, "a.gguf").gets for name in names) >= 2)
        async with asyncio.timeout(15):
            found = await repositories(hub).search(SearchModels(query="slow", limit=100))
        assert len(found.models) == 100 and not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
