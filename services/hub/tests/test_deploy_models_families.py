"""The families' own chat templates pass the embedded engine's proof."""

from __future__ import annotations

from pathlib import Path

import pytest
from hub_parts.answering import answering
from hub_parts.placing import Steps, deployer, order

TEMPLATES = Path(__file__).parent / "hub_parts" / "chat_templates"
# The end of an answer, BOS, whether the tokenizer writes it.
FAMILIES: dict[str, tuple[str, str, bool]] = {
    "gemma2": ("<end_of_turn>", "<bos>", True),
    "gemma3": ("<end_of_turn>", "<bos>", True),
    "llama2": ("</s>", "<s>", True),
    "llama3": ("<|eot_id|>", "<|begin_of_text|>", True),
    "mistral-nemo": ("</s>", "<s>", True),
    "phi3": ("<|end|>", "<s>", False),
    "qwen2.5": ("<|im_end|>", "<|endoftext|>", False),
    "qwen3": ("<|im_end|>", "<|endoftext|>", False),
}


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
async def test_the_embedded_engine_takes_a_template_as_it_is_published(tmp_path: Path, family: str) -> None:
    end, bos, add_bos = FAMILIES[family]
    template = (TEMPLATES / f"{family}.jinja").read_text()
    path = answering(tmp_path / "m.gguf", template, end=end, bos=bos, add_bos=add_bos)
    placed = await deployer(tmp_path / "models", "127.0.0.1:1").deploy(
        order("own:f32", path), "llamacpp", Steps()
    )
    assert "rendered as Jinja does" in placed.proof["template"]
