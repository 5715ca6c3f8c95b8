"""What a deployment needs to know of a model: how its own template asks it, and where its answers end."""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hone_hub import worker_process
from hone_hub.deploy.models.go_template import PROBES
from hone_hub.deploy.questions import CONVERSATIONS
from hone_hub.errors import TookTooLong
from hone_hub.work import Conversation, InspectWork, RenderWork
from hone_hub.worker_process import OnStep

# Whose tokenizers begin every text with BOS unless the file says otherwise. Source: llama-vocab.cpp, llama.cpp.
_BOS_BY_KIND = ("llama",)
_BOS_BY_PRE = ("llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "tekken", "chameleon")
_MARK = re.compile(r"\s*(<[^<>\s]{1,60}>)")
_MOST_STOPS = 8


@dataclass(frozen=True)
class ChatFacts:
    """``fixtures`` and ``probes`` are the texts of ``CONVERSATIONS`` and ``PROBES`` as the tokenizer shall see them,
    None where the template refuses one: without the BOS that the tokenizer adds by itself."""

    template: str | None
    fixtures: tuple[str | None, ...]
    probes: tuple[str | None, ...]
    stops: tuple[str, ...]
    context_tokens: int | None
    bos: str | None = None
    """The one that the tokenizer adds."""

    @property
    def thinks(self) -> bool:
        """Answers begin with thoughts, and may be long."""
        return "<think>" in (self.template or "") or "enable_thinking" in (self.template or "")

    @property
    def renders(self) -> bool:
        return any(text is not None for text in self.fixtures)

    def rendered(self) -> list[tuple[Conversation, str]]:
        return [
            (conversation, text)
            for conversation, text in zip(CONVERSATIONS, self.fixtures, strict=True)
            if text is not None
        ]


async def facts_of(path: Path, limit_s: float, tell: OnStep) -> ChatFacts:
    """Raises Refused, TookTooLong."""
    try:
        async with asyncio.timeout(limit_s):
            report = await worker_process.run(InspectWork(path=path), tell)
            work = RenderWork(path=path, conversations=(*CONVERSATIONS, *PROBES))
            rendered = (await worker_process.run(work, tell))["rendered"]
    except TimeoutError as error:
        raise TookTooLong(limit_s) from error
    tokenizer = report["tokenizer"] or {}
    special = {role: each.get("text") for role, each in tokenizer.get("special", {}).items()}
    return chat_facts(
        (report["chat_template"] or {}).get("text"),
        rendered,
        added_bos(tokenizer),
        [text for role in ("eos", "eot") if (text := special.get(role))],
        report["context_length"],
    )


def chat_facts(
    template: str | None,
    rendered: Sequence[str | None],
    bos: str | None,
    ends: Sequence[str],
    context_tokens: int | None,
) -> ChatFacts:
    """``rendered``: of the fixtures and the probes, with a BOS before them if the template writes one."""
    texts = [text.removeprefix(bos) if text is not None and bos else text for text in rendered]
    fixtures, probes = texts[: len(CONVERSATIONS)], texts[len(CONVERSATIONS) :]
    stops = dict.fromkeys((*ends, *_marks(probes)))
    return ChatFacts(
        template,
        tuple(fixtures),
        tuple(probes),
        tuple(filter(None, stops))[:_MOST_STOPS],
        context_tokens,
        bos,
    )


def added_bos(tokenizer: dict[str, Any] | None) -> str | None:
    """Of a report's tokenizer: the text of the token that it begins every text with."""
    if not tokenizer:
        return None
    said = tokenizer.get("add_bos")
    by_kind = tokenizer.get("kind") in _BOS_BY_KIND or tokenizer.get("pre") in _BOS_BY_PRE
    adds = by_kind if said is None else bool(said)
    return tokenizer["special"].get("bos", {}).get("text") if adds else None


def _marks(probes: Sequence[str | None]) -> list[str]:
    """What the template writes behind an answer, where that is a mark: some files name another token as their end."""
    for conversation, text in zip(PROBES, probes, strict=True):
        answers = [message["content"] for message in conversation if message["role"] == "assistant"]
        if text is None or not answers or answers[0] not in text:
            continue
        if found := _MARK.match(text.partition(answers[0])[2]):
            return [found[1]]
    return []
