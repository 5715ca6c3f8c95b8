"""Which chat template a converted file carries: the one that transformers would use."""

from __future__ import annotations

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import gguf
import pytest
from hub_parts.engine import Engine
from hub_parts.models import Library, TinyModel
from transformers import AutoTokenizer

from hone_hub.convert import Quant, convert
from hone_hub.errors import SourceInvalid, SourceUnsafe
from hone_hub.gguf import rendered
from hone_hub.gguf.chat_template import render

CHATS = (
    ({"role": "user", "content": "Which loans are overdue?"},),
    (
        {"role": "system", "content": "You are terse."},
        {"role": "user", "content": "książki 日本語 📚\n{}"},
        {"role": "assistant", "content": "None."},
        {"role": "user", "content": "  Thanks!  "},
    ),
)
FILE = "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}[assistant] "


@pytest.fixture(name="folder")
def _folder(library: Library, tmp_path: Path) -> Path:
    copy = tmp_path / "model"
    shutil.copytree(library.folder(TinyModel()), copy)
    (copy / "chat_template.jinja").unlink(missing_ok=True)
    return copy


def configure(folder: Path, entry: object) -> None:
    settings = json.loads((folder / "tokenizer_config.json").read_text()) | {"chat_template": entry}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))


def templates(folder: Path) -> dict[str, str]:
    out = folder.parent / "m.gguf"
    convert(folder, out, Quant.Q8_0, force=True)
    fields = gguf.GGUFReader(out).fields
    prefix = "tokenizer.chat_template"
    found = {
        key.removeprefix(prefix): str(field.contents())
        for key, field in fields.items()
        if key.startswith(prefix)
    }
    return {name.removeprefix(".") or "default": text for name, text in found.items()}


def test_a_file_of_its_own_wins_over_the_configuration(folder: Path) -> None:
    configure(folder, "of the configuration")
    assert templates(folder) == {"default": "of the configuration"}
    (folder / "chat_template.jinja").write_text(FILE)
    assert templates(folder) == {"default": FILE}


def test_several_templates_keep_their_names(folder: Path) -> None:
    configure(folder, [{"name": "default", "template": "a"}, {"name": "tool_use", "template": "b"}])
    assert templates(folder) == {"default": "a", "tool_use": "b"}
    more = folder / "additional_chat_templates"
    more.mkdir()
    (more / "rag.jinja").write_text("c")
    assert templates(folder) == {"default": "a", "tool_use": "b", "rag": "c"}


def test_a_template_that_lies_elsewhere_is_not_read(folder: Path) -> None:
    (folder.parent / "secret").write_text("secret")
    more = folder / "additional_chat_templates"
    more.mkdir()
    (more / "x.jinja").symlink_to(folder.parent / "secret")
    with pytest.raises(SourceUnsafe):
        templates(folder)


@pytest.mark.parametrize("entry", [7, [7], [{"name": "x"}], {"default": "x"}])
def test_a_malformed_template_is_refused(folder: Path, entry: object) -> None:
    configure(folder, entry)
    with pytest.raises(SourceInvalid, match="malformed"):
        templates(folder)


def test_transformers_the_sandbox_and_the_engine_render_the_same(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text(FILE)
    out = folder.parent / "m.gguf"
    convert(folder, out, Quant.Q8_0)
    original, engine = AutoTokenizer.from_pretrained(folder), Engine(out)
    for chat, found in zip(CHATS, rendered(out, CHATS), strict=True):
        expected = original.apply_chat_template(list(chat), tokenize=False, add_generation_prompt=True)
        assert found == expected
        assert engine.apply_template(list(chat)) == expected
        assert engine.tokenize(expected) == original.encode(expected, add_special_tokens=False)


PUBLISHED = {
    path.stem: path for path in (Path(__file__).parent / "hub_parts" / "chat_templates").glob("*.jinja")
}
WITH_TOOLS = ("llama3", "mistral-nemo", "qwen2.5", "qwen3")
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "find_book",
            "description": 'Finds a book <b>\'s shelf & "place".',
            "parameters": {
                "type": "object",
                "properties": {"title": {"type": "string", "description": "Tytuł"}},
                "required": ["title"],
            },
        },
    }
]
CALLED: list[dict[str, Any]] = [
    {"role": "user", "content": "Where is Solaris?"},
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {
                "type": "function",
                "id": "abcdefghi",
                "function": {"name": "find_book", "arguments": {"title": "Solaris <ł>"}},
            }
        ],
    },
    {"role": "tool", "name": "find_book", "content": "shelf 7", "tool_call_id": "abcdefghi"},
]


@pytest.mark.parametrize("family", sorted(PUBLISHED))
def test_a_familys_template_renders_the_same_in_transformers_sandbox_and_engine(
    folder: Path, family: str
) -> None:
    shutil.copy(PUBLISHED[family], folder / "chat_template.jinja")
    out = folder.parent / "m.gguf"
    convert(folder, out, Quant.Q8_0)
    original, engine = AutoTokenizer.from_pretrained(folder), Engine(out)
    today = datetime.now().strftime("%d %b %Y")  # as llama.cpp tells it to Llama 3's
    for chat, found in zip(CHATS, rendered(out, CHATS, as_engine=True), strict=True):
        if family == "gemma2" and chat[0]["role"] == "system":  # which llama.cpp puts into the question
            assert found is None
            continue
        expected = original.apply_chat_template(
            list(chat), tokenize=False, add_generation_prompt=True, date_string=today
        )
        assert found == expected
        assert engine.apply_template(list(chat)) == expected
    if family not in WITH_TOOLS:
        return
    shared = {"bos_token": original.bos_token, "eos_token": original.eos_token, "add_generation_prompt": True}
    for messages in (list(CHATS[1]), CALLED):
        expected = original.apply_chat_template(
            messages, tools=TOOLS, tokenize=False, add_generation_prompt=True, date_string=today
        )
        context = {"messages": messages, "tools": TOOLS, "date_string": today, **shared}
        assert render(PUBLISHED[family].read_text(), [context]) == [{"text": expected}]
        assert engine.apply_template(messages, tools=TOOLS) == expected
