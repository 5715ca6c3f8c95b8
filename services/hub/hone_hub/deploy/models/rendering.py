"""Proves that Ollama makes the same prompt of a conversation as the model's own template, token for token.

``/api/generate`` takes a template with the question and tells the tokens of the prompt and of its answer. Asked once
with the text that the model's own template makes, written as it is, and once with the template in question, it tells
the same tokens where the prompts are the same ones to the model; no other tokenizer is needed to compare with. Turns
before the question are a model's own messages, which a second name for the same weights carries for a moment.
"""

from contextlib import AsyncExitStack, suppress
from typing import Any

from hone_hub.deploy.errors import ProofFailed
from hone_hub.deploy.models.errors import RendersDifferently
from hone_hub.deploy.models.facts import ChatFacts
from hone_hub.deploy.models.go_template import literal
from hone_hub.deploy.ollama.errors import OllamaError
from hone_hub.deploy.ollama.host import OllamaHost
from hone_hub.work import Conversation, Step

_ONE_TOKEN = {"temperature": 0, "num_predict": 1, "seed": 1}


async def check_rendering(host: OllamaHost, name: str, template: str, facts: ChatFacts) -> dict[str, str]:
    """What was seen of each conversation. Raises RendersDifferently, OllamaError."""
    seen = await differences(host, name, template, facts)
    for conversation, verdict in seen.items():
        if verdict == "differs":
            raise RendersDifferently(host.url, conversation)
    return seen


async def differences(host: OllamaHost, name: str, template: str, facts: ChatFacts) -> dict[str, str]:
    """By conversation: ``same``, or ``differs``. Raises OllamaError."""
    if await _tokens(host, name, literal("one"), ()) == await _tokens(host, name, literal("another one"), ()):
        raise ProofFailed(f"{host.url} takes no template with a question", "its tokens say nothing")
    seen = {}
    for conversation, text in facts.rendered():
        expected = await _tokens(host, name, literal(text), ())
        found = await _tokens(host, name, template, conversation)
        seen[_described(conversation)] = "same" if found == expected else "differs"
    return seen


async def _tokens(
    host: OllamaHost, name: str, template: str, conversation: Conversation
) -> tuple[int, tuple[int, ...]]:
    """How many the prompt has, and its and the answer's without what begins every text."""
    system, turns, question = _parts(conversation)
    async with AsyncExitStack() as stack:
        asked = name
        if turns:
            asked = f"{name}-turns"
            await host.create({"model": asked, "from": name, "messages": turns}, _nobody)
            stack.push_async_callback(_forget, host, asked)
        body: dict[str, Any] = {
            "model": asked,
            "prompt": question,
            "template": template,
            "options": _ONE_TOKEN,
        }
        told = await host.generate(body | ({"system": system} if system else {}))
    context, count = told.get("context"), told.get("prompt_eval_count")
    if not isinstance(context, list) or not isinstance(count, int):
        raise ProofFailed(f"{host.url} does not tell the tokens of a prompt", str(told)[:200])
    return count, tuple(context)


def _parts(conversation: Conversation) -> tuple[str, list[dict[str, str]], str]:
    """System prompt, turns before the question, question."""
    if not conversation:
        return "", [], "?"
    system = "".join(each["content"] for each in conversation if each["role"] == "system")
    turns = [each for each in conversation[:-1] if each["role"] != "system"]
    return system, turns, conversation[-1]["content"]


def _described(conversation: Conversation) -> str:
    return ", ".join(each["role"] for each in conversation)


async def _forget(host: OllamaHost, name: str) -> None:
    with suppress(OllamaError):  # a name of weights that go with what was staged, made anew at the next try
        await host.delete(name)


async def _nobody(_step: Step) -> None:
    return
