"""Proves that Ollama asks a file in the form that the file's own template has, token for token."""

from hone_hub.deploy.errors import ProofFailed
from hone_hub.deploy.ollama.errors import PromptDiffers
from hone_hub.deploy.ollama.history import read_answer
from hone_hub.deploy.ollama.host import OllamaHost
from hone_hub.deploy.ollama.templates import asks_once
from hone_hub.work import Prompt

_ONE_TOKEN = {"temperature": 0, "num_predict": 1}


async def check_prompts(
    host: OllamaHost, name: str, prompts: tuple[Prompt, ...], begin: int | None = None
) -> str:
    """Single turns by their token ids, which ``/api/generate`` tells in any version; longer conversations, which
    only ``/api/chat`` takes, by their number. Returns what was seen.

    ``begin`` is the token that the tokenizer begins every text with: Ollama counts it, and may not tell it.

    Raises PromptDiffers, OllamaError.
    """
    by_ids = 0
    for prompt in prompts:
        if asks_once(prompt.conversation):
            await _compare_ids(host, name, prompt, begin)
            by_ids += 1
        else:
            await _compare_counts(host, name, prompt)
    return f"{by_ids} conversations token for token as in llama.cpp, {len(prompts) - by_ids} by their length"


async def _compare_ids(host: OllamaHost, name: str, prompt: Prompt, begin: int | None) -> None:
    *system, question = prompt.conversation
    body = {"model": name, "prompt": question["content"], "options": _ONE_TOKEN}
    told = await host.generate(body | ({"system": system[0]["content"]} if system else {}))
    context, expected = told.get("context"), list(prompt.token_ids)
    if not isinstance(context, list):
        raise ProofFailed(f"{host.url} does not tell the tokens of a prompt", str(told)[:200])
    count = told.get("prompt_eval_count")
    if begin is not None and expected[:1] == [begin] and context[:1] != [begin]:
        context = [begin, *context]
    found = context[: len(expected)]  # what follows is the answer
    if found != expected or count != len(expected):
        raise PromptDiffers(host.url, expected, context)


async def _compare_counts(host: OllamaHost, name: str, prompt: Prompt) -> None:
    body = {"model": name, "messages": list(prompt.conversation), "options": _ONE_TOKEN}
    answer = read_answer(host.url, await host.chat(body))
    if answer.prompt_tokens != len(prompt.token_ids):
        raise PromptDiffers(host.url, list(prompt.token_ids), [0] * answer.prompt_tokens)
