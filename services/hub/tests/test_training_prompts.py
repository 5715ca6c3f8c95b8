"""The engine's own view of conversations: one BOS, whoever writes it, and what ``/v1/chat/completions`` reads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hub_parts.engine import Engine
from hub_parts.models import TEMPLATE, Library, TinyModel
from running import until
from transformers import AutoTokenizer

from hone_contracts.hub import PromptsRead, ReadPrompts
from hone_hub.convert import Quant, convert
from hone_hub.file_roots import FileRoots
from hone_hub.refusals import Refused
from hone_hub.training import prompts
from hone_hub.training.errands import Errands
from hone_hub.training.prompts import EnginePrompts

pytestmark = pytest.mark.slow

CHATS: tuple[tuple[dict[str, str], ...], ...] = (
    ({"role": "user", "content": "Which loans are overdue?"},),
    (
        {"role": "system", "content": "You are terse."},
        {"role": "user", "content": "książki – 日本語 📚\n{}"},
        {"role": "assistant", "content": "None."},
        {"role": "user", "content": "  Thanks!  "},
    ),
)
WITH_BOS = "{{ bos_token }}" + TEMPLATE
FAMILIES = Path(__file__).parent / "hub_parts" / "chat_templates"


def folder_of(library: Library, to: Path, template: str, add_bos: bool) -> Path:
    shutil.copytree(library.folder(TinyModel(add_bos=add_bos)), to)
    (to / "chat_template.jinja").write_text(template, encoding="utf-8")
    return to


async def read(folder: Path, *chats: tuple[dict[str, str], ...]) -> PromptsRead:
    engine = EnginePrompts(FileRoots((folder.parent,)), Errands(), limit_s=120, wait_s=120)
    return await engine.read(ReadPrompts(source_uri=folder.as_uri(), conversations=chats))


@pytest.mark.parametrize("add_bos", [False, True], ids=["the tokenizer adds none", "the tokenizer adds one"])
@pytest.mark.parametrize("template", [TEMPLATE, WITH_BOS], ids=["not written", "written"])
async def test_prompts_are_those_that_the_engine_answers_with_one_bos_at_most(
    library: Library, tmp_path: Path, template: str, add_bos: bool
) -> None:
    folder = folder_of(library, tmp_path / "model", template, add_bos)
    told = await read(folder, *CHATS)
    convert(folder, tmp_path / "m.gguf", Quant.F16)
    engine, bos = Engine(tmp_path / "m.gguf"), 0
    for chat, ids in zip(CHATS, told.token_ids, strict=True):
        assert ids is not None
        assert ids.count(bos) == (1 if add_bos or template is WITH_BOS else 0)
        asked = engine._post(
            "/v1/chat/completions", messages=list(chat), max_tokens=1, temperature=0.0, cache_prompt=False,
            logprobs=True, top_logprobs=5,
        )  # fmt: skip
        assert asked["usage"]["prompt_tokens"] == len(ids)
        given = engine._post(
            "/completion", prompt=list(ids), n_predict=1, n_probs=5, temperature=0.0, cache_prompt=False
        )
        assert likely(asked["choices"][0]["logprobs"]["content"][0]["top_logprobs"]) == likely(
            given["completion_probabilities"][0]["top_logprobs"]
        ), "what follows them is what follows the conversation"


def likely(told: list[dict[str, Any]]) -> list[tuple[int, float]]:
    return [(each["id"], round(each["logprob"], 4)) for each in told]


@pytest.mark.parametrize("family", ["llama2", "mistral-nemo", "qwen3", "gemma3"])
async def test_they_are_the_tokens_of_the_rendered_text(
    library: Library, tmp_path: Path, family: str
) -> None:
    """As transformers makes them without adding special tokens: where the template writes the BOS itself, and the
    tokenizer of the file adds it, there is still one."""
    template = (FAMILIES / f"{family}.jinja").read_text(encoding="utf-8")
    folder = folder_of(library, tmp_path / "model", template, add_bos="bos_token" in template)
    told = await read(folder, *CHATS)
    original = AutoTokenizer.from_pretrained(folder)
    for chat, ids in zip(CHATS, told.token_ids, strict=True):
        text = original.apply_chat_template(list(chat), tokenize=False, add_generation_prompt=True)
        assert ids == tuple(original.encode(text, add_special_tokens=False))


async def test_what_the_template_refuses_is_none_and_what_ends_an_answer_is_told(
    library: Library, tmp_path: Path
) -> None:
    refusing = "{% if messages[0].content == 'forbidden' %}{{ raise_exception('no') }}{% endif %}" + TEMPLATE
    folder = folder_of(library, tmp_path / "model", refusing, add_bos=False)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [2, 1]}))
    told = await read(folder, CHATS[0], ({"role": "user", "content": "forbidden"},), CHATS[1])
    assert [text is None for text in told.rendered] == [False, True, False]
    assert [ids is None for ids in told.token_ids] == [False, True, False]
    assert told.end_ids == (1, 2)


async def test_an_answer_that_takes_longer_than_one_waits_is_there_for_who_asks_again(
    library: Library, tmp_path: Path
) -> None:
    folder = folder_of(library, tmp_path / "model", TEMPLATE, add_bos=False)
    engine = EnginePrompts(FileRoots((tmp_path,)), Errands(), limit_s=120, wait_s=0)
    question = ReadPrompts(source_uri=folder.as_uri(), conversations=CHATS)

    async def told() -> PromptsRead | None:
        try:
            return await engine.read(question)
        except Refused as refused:
            assert (refused.code, refused.transient) == ("still_reading", True)
            return None

    assert await told() is None
    assert await until(told) == await read(folder, *CHATS)


async def test_what_is_no_small_folder_is_refused(
    library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(library, tmp_path / "model", TEMPLATE, add_bos=False)

    async def refusal(source: Path, *chats: tuple[dict[str, str], ...]) -> str:
        with pytest.raises(Refused) as refused:
            await read(source, *chats)
        assert "; " in refused.value.body().detail
        return refused.value.body().code

    long = ({"role": "user", "content": "a b " * 60_000},)
    assert await refusal(folder, *[long] * 2) == "prompts_too_long"
    assert await refusal(tmp_path / "absent", *CHATS) == "file_missing"
    (folder / "config.json").write_text("{")
    assert await refusal(folder, *CHATS) == "source_invalid"
    monkeypatch.setattr(prompts, "_MOST_WEIGHT_BYTES", 1000)
    assert await refusal(folder, *CHATS) == "too_large_to_read"
