"""Chat templates of the families, told to Ollama in its own language: derived, and proven token for token."""

from __future__ import annotations

from pathlib import Path

import pytest
from hub_parts.answering import answering
from hub_parts.models import TEMPLATE
from hub_parts.ollamas import CHATML, Ollama
from hub_parts.placing import Steps, deployer, order

from hone_hub.deploy.models.errors import RendersDifferently, TemplateNotPortable
from hone_hub.deploy.models.go_template import PROBES, Chosen, NotSayable, chosen, derived, literal
from hone_hub.deploy.questions import CONVERSATIONS
from hone_hub.gguf.chat_template import render_conversations

# Written anew after what the families publish: the marks and where they stand are theirs.
QWEN = (
    "{% if messages[0].role == 'system' %}{{ '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}"
    "{% else %}{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{% endif %}"
    "{% for m in messages %}{% if m.role != 'system' %}"
    "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
LLAMA3 = (
    "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n'"
    " + m.content | trim + '<|eot_id|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "{% for m in messages %}{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\\n'"
    " + m.content | trim + '<end_of_turn>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"
)
GEMMA3 = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{% set first = messages[0].content + '\\n\\n' %}"
    "{% set turns = messages[1:] %}{% else %}{% set first = '' %}{% set turns = messages %}{% endif %}"
    "{% for m in turns %}{{ '<start_of_turn>' + ('model' if m.role == 'assistant' else m.role) + '\\n'"
    " + (first if loop.first else '') + m.content | trim + '<end_of_turn>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"
)
MISTRAL = (  # since version 3: the system prompt stands before the last question
    "{% if messages[0].role == 'system' %}{% set system = messages[0].content %}{% set turns = messages[1:] %}"
    "{% else %}{% set turns = messages %}{% endif %}{{ bos_token }}{% for m in turns %}"
    "{% if m.role == 'user' %}{% if loop.last and system is defined %}"
    "{{ '[INST] ' + system + '\\n\\n' + m.content + '[/INST]' }}{% else %}{{ '[INST] ' + m.content + '[/INST]' }}"
    "{% endif %}{% else %}{{ ' ' + m.content + eos_token }}{% endif %}{% endfor %}"
)
LLAMA2 = (
    "{% if messages[0].role == 'system' %}{% set system = '<<SYS>>\\n' + messages[0].content + '\\n<</SYS>>\\n\\n' %}"
    "{% set turns = messages[1:] %}{% else %}{% set system = '' %}{% set turns = messages %}{% endif %}"
    "{% for m in turns %}{% if m.role == 'user' %}"
    "{{ bos_token + '[INST] ' + (system if loop.first else '') + m.content | trim + ' [/INST]' }}"
    "{% else %}{{ ' ' + m.content | trim + ' ' + eos_token }}{% endif %}{% endfor %}"
)
PHI3 = (
    "{% for m in messages %}{{ '<|' + m.role + '|>\\n' + m.content + '<|end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}"
)
ZEPHYR = (
    "{% for m in messages %}{{ '<|' + m.role + '|>\\n' + m.content + eos_token + '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
)
BRACES = (
    "{% for m in messages %}{{ '{{' + m.role + '}}' + m.content + '{{/}}' }}{% endfor %}{{ '{{answer}}' }}"
)
# Template, tokens of its own, the end of an answer, BOS, whether the tokenizer writes it.
FAMILIES = {
    "qwen2": (QWEN, ["<|im_start|>"], "<|im_end|>", None, False),
    "llama3": (LLAMA3, ["<|start_header_id|>", "<|end_header_id|>"], "<|eot_id|>", "<|begin_of_text|>", True),
    "gemma2": (GEMMA, ["<start_of_turn>"], "<end_of_turn>", "<bos>", True),
    "gemma3": (GEMMA3, ["<start_of_turn>"], "<end_of_turn>", "<bos>", True),
    "mistral": (MISTRAL, ["[INST]", "[/INST]"], "</s>", "<s>", True),
    "mistral, whose tokenizer writes no BOS": (MISTRAL, ["[INST]", "[/INST]"], "</s>", "<s>", False),
    "llama2": (LLAMA2, [], "</s>", "<s>", True),
    "phi3": (PHI3, ["<|user|>", "<|assistant|>", "<|system|>"], "<|end|>", "<s>", False),
    "zephyr": (ZEPHYR, [], "</s>", "<s>", True),
    "braces": (BRACES, [], "</s>", None, False),
}
REFUSES_SYSTEM = {"gemma2"}
PUBLISHED = sorted((Path(__file__).parent / "hub_parts" / "chat_templates").glob("*.jinja"))


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
async def test_ollama_asks_a_family_token_for_token_as_its_own_template_does(
    real_ollama: Ollama, tmp_path: Path, family: str
) -> None:
    template, specials, end, bos, add_bos = FAMILIES[family]
    path = answering(tmp_path / "m.gguf", template, specials=specials, end=end, bos=bos, add_bos=add_bos)
    name = f"family{list(FAMILIES).index(family)}"
    try:
        placed = await deployer(tmp_path / "models", real_ollama.url).deploy(
            order(name, path), "ollama", Steps()
        )
    finally:
        real_ollama.remove(name)
    told = placed.proof["hosts"][real_ollama.url]
    assert told["template"]["origin"] == "derived from the model's own template"
    assert len(told["template"]["conversations"]) == (2 if family in REFUSES_SYSTEM else 4)
    assert set(told["template"]["conversations"].values()) == {"same"}
    assert told["answers"] == ["hello"]


@pytest.mark.slow
async def test_a_template_that_ollama_renders_otherwise_is_found_out(
    real_ollama: Ollama, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = answering(tmp_path / "m.gguf", QWEN)
    monkeypatch.setattr("hone_hub.deploy.models.go_template.literal", lambda text: text.replace("\n", " "))
    with pytest.raises(RendersDifferently, match="--to llamacpp"):
        await deployer(tmp_path / "models", real_ollama.url).deploy(order("other", path), "ollama", Steps())
    assert real_ollama.show("other") is None


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_derived_says_what_jinja_says(family: str) -> None:
    template, _, end, bos, _ = FAMILIES[family]
    turns = derived(rendered(template, PROBES, bos, end))
    for conversation, text in zip(CONVERSATIONS, rendered(template, CONVERSATIONS, bos, end), strict=True):
        if text is not None:
            assert turns.text(conversation) == text
        else:
            assert turns.folded


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_the_templates_that_the_families_publish_can_be_said(path: Path) -> None:
    assert choice(path.read_text(encoding="utf-8")).template


def test_chatml_is_chatml() -> None:
    assert choice(TEMPLATE).template == CHATML
    assert choice(QWEN).template != CHATML  # its own system prompt would be lost


def test_what_differs_although_no_conversation_shows_it_is_told() -> None:
    assert choice(LLAMA3).remarks == ("its own template trims contents, Ollama does not",)
    assert "system prompts" in choice(GEMMA).remarks[0]
    assert "date" in choice("{{ strftime_now('%d %b') }}" + ZEPHYR).remarks[0]


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ messages[-1].content }}", "not once"),
        ("{{ messages | length }}", "not once"),
        ("{% for m in messages %}{{ m.content | upper }}{% endfor %}", "not as it is"),
        ("{% for m in messages %}{{ loop.index }}:{{ m.content }};{% endfor %}", "depends on what was said"),
        ("{% for m in messages | reverse %}{{ m.role }}{{ m.content }}{% endfor %}", "not once"),
        (
            "{% if messages | length > 2 %}{{ raise_exception('one turn') }}{% endif %}{{ messages[0].content }}",
            "refuses",
        ),
        (
            "{% for m in messages %}{{ m.role }}{{ m.content }}{% endfor %}" + "x" * 60_000,
            "depends on what was said",
        ),
        (
            "{% for m in messages %}{{ m.role }}{{ m.content }}{% if '日' in m.content %}!{% endif %}{% endfor %}",
            "depends on what is said",
        ),
        (
            "{% for m in messages %}{% if m.role == 'system' %}{{ m.content ~ (messages | length) }}{% else %}"
            "{{ m.role }}{{ m.content }}{% endif %}{% endfor %}",
            "depends on what else",
        ),
    ],
)
def test_a_template_that_cannot_be_said_in_go_is_refused_with_the_reason(template: str, reason: str) -> None:
    with pytest.raises(NotSayable, match=reason):
        choice(template)


@pytest.mark.slow
async def test_a_template_that_cannot_be_said_is_refused_before_a_byte_is_sent(
    real_ollama: Ollama, tmp_path: Path
) -> None:
    path = answering(tmp_path / "m.gguf", "{{ messages | length }}: {{ messages[-1].content }}")
    steps = Steps()
    with pytest.raises(TemplateNotPortable, match="--template FILE"):
        await deployer(tmp_path / "models", real_ollama.url).deploy(order("other", path), "ollama", steps)
    assert steps.seen == []


def test_text_is_written_as_it_is() -> None:
    assert literal("a {{ b }} {% c %}") == 'a {{ "{{" }} b }} {% c %}'


def choice(template: str) -> Chosen:
    texts = rendered(template, CONVERSATIONS, "<s>", "</s>")
    fixtures = [(each, text) for each, text in zip(CONVERSATIONS, texts, strict=True) if text is not None]
    return chosen(template, fixtures, rendered(template, PROBES, "<s>", "</s>"))


def rendered(template: str, conversations: object, bos: str | None, end: str) -> list[str | None]:
    return [each.get("text") for each in render_conversations(template, conversations, bos, end)]  # type: ignore[arg-type]
