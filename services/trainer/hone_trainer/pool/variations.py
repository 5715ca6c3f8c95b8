"""Variations of examples: a model says the requirements in other words, the artifact stays. What the model lost of
them shows when the artifact is validated against its words."""

from collections.abc import Iterable
from dataclasses import dataclass

from hone_contracts.chat import AskChat, ChatMessage
from hone_contracts.generation import MAX_REQUIREMENTS_CHARS
from hone_trainer.chatting import Chatting
from hone_trainer.pool.sources import Offered, Wanted

_INSTRUCTIONS = (
    "Rewrite the requirements below in other words, as a colleague would who knows the same facts. Keep every fact, "
    "name and number; add nothing. Answer with the rewritten requirements alone."
)


@dataclass(frozen=True)
class Variations:
    """``model`` is a model reference."""

    chat: Chatting
    model: str
    name: str = "variation"

    async def offer(self, wanted: Wanted) -> Iterable[Offered]:
        offered = []
        for seed in wanted.seeds[: wanted.most]:
            question = AskChat(
                tenant=wanted.tenant,
                model=self.model,
                messages=(
                    ChatMessage(role="system", content=_INSTRUCTIONS),
                    ChatMessage(role="user", content=seed.requirements),
                ),
                temperature=0.7,
            )
            text = (await self.chat(question)).strip()
            if text and text != seed.requirements.strip() and len(text) <= MAX_REQUIREMENTS_CHARS:
                offered.append(Offered(seed.id, text, seed.content, seed.context_text, dict(seed.options)))
        return offered
