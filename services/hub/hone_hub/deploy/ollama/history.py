"""Proves that the examples of a version reach the model: ``create`` ends in success whether they do or not."""

from typing import Any

from hone_contracts.registry import PromptVersion
from hone_hub.deploy.errors import ProofFailed
from hone_hub.deploy.ollama.errors import HistoryLost
from hone_hub.deploy.ollama.everywhere import Place
from hone_hub.deploy.ollama.host import Document
from hone_hub.deploy.ollama.shown import Message, Shown
from hone_hub.deploy.questions import check_answers
from hone_hub.work import Answer

# Text at a message's edge may be cut into tokens in another way when another message is beside it.
_SEAM_TOKENS = 2
_LEAST_ANSWER_TOKENS, _MOST_ANSWER_TOKENS = 64, 1024


async def prove_history(
    place: Place, name: str, prompt: PromptVersion, history: list[Message]
) -> dict[str, Any]:
    """Ask the version a question, and its base the same with all turns before it and with none: the prompts of the
    first two have as many tokens, those of the last fewer.

    Raises HubError.
    """
    host, base = place.host, place.base
    shown = await host.show(name)
    if shown is None or list(Shown.read(shown).messages) != history:
        raise HistoryLost(host.url, f"{name} was created without them")
    question = _question(prompt)
    system = [{"role": "system", "content": prompt.system}] if prompt.system else []
    turns = history[len(base.messages) :]
    answer_tokens = _answer_tokens(base, prompt)
    needed = base.tokens(*system, *history, question) + answer_tokens
    context = base.room(needed)
    answer = await _ask(place, name, [question], answer_tokens, context)
    whole = await _ask(place, place.base_name, [*system, *turns, question], 1, context)
    bare = await _ask(place, place.base_name, [*system, question], 1, context)
    if answer.prompt_tokens != whole.prompt_tokens or answer.prompt_tokens <= bare.prompt_tokens:
        raise HistoryLost(
            host.url,
            f"a question has {answer.prompt_tokens} tokens, {whole.prompt_tokens} with all turns before it, "
            f"{bare.prompt_tokens} with none",
        )
    if needed > context:
        halves = turns[: len(turns) // 4 * 2], turns[len(turns) // 4 * 2 :]
        parts = [
            await _ask(place, place.base_name, [*system, *half, question], 1, context) for half in halves
        ]
        expected = sum(part.prompt_tokens for part in parts) - bare.prompt_tokens
        if expected > context or whole.prompt_tokens < expected - len(turns) * _SEAM_TOKENS:
            raise HistoryLost(host.url, f"its context of {context} tokens has no room for all of them")
    check_answers(prompt.reading, (answer,))
    return {
        "answer": answer.text[:500],
        "prompt_tokens": answer.prompt_tokens,
        "history_tokens": answer.prompt_tokens - bare.prompt_tokens,
        "context_tokens": context,
    }


async def _ask(place: Place, name: str, messages: list[Message], most_tokens: int, context: int) -> Answer:
    """With equal options, so that version and base, which are one file, are loaded once."""
    body = {
        "model": name,
        "messages": messages,
        "options": {"temperature": 0, "num_predict": most_tokens, "num_ctx": context},
        "think": False,
    }
    return read_answer(place.host.url, await place.host.chat(body))


def read_answer(url: str, told: Document) -> Answer:
    """Of ``/api/chat``. Raises ProofFailed."""
    message = told.get("message")
    text = message.get("content") if isinstance(message, dict) else None
    counts = told.get("prompt_eval_count"), told.get("eval_count", 0)
    if not isinstance(text, str) or not all(isinstance(count, int) for count in counts):
        raise ProofFailed(f"{url} gives an answer without a text or without counts", str(told)[:200])
    return Answer(
        text=text, finish=told.get("done_reason"), prompt_tokens=counts[0], completion_tokens=counts[1]
    )


def _question(prompt: PromptVersion) -> Message:
    """That of the example with the shortest answer: of the kind that the version is asked, and answered soon."""
    pairs = zip(prompt.turns, prompt.turns[1:], strict=False)
    asked = [(len(answer.content), turn.content) for turn, answer in pairs if turn.role == "user"]
    if not asked:
        raise ProofFailed("its turns hold no question with an answer")
    return {"role": "user", "content": min(asked)[1]}


def _answer_tokens(base: Shown, prompt: PromptVersion) -> int:
    """Room for the longest of the examples' answers."""
    longest = max(
        len(turn.content.encode(errors="replace")) for turn in prompt.turns if turn.role == "assistant"
    )
    return min(max(longest // base.bytes_per_token, _LEAST_ANSWER_TOKENS), _MOST_ANSWER_TOKENS)
