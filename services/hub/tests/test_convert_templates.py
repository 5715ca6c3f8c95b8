"""Which chat template a converted file carries: the one that transformers would use."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import gguf
import pytest
from hub_parts.engine import Engine
from hub_parts.models import Library, TinyModel
from transformers import AutoTokenizer

from hone_hub.convert import Quant, convert
from hone_hub.errors import SourceInvalid, SourceUnsafe
from hone_hub.gguf import rendered

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
