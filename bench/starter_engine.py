"""The starter in this process: llama.cpp, greedy, each answer held to the grammar of its passage."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hone_contracts import erd_facts
from hone_contracts.erd_facts import Facts, FactsError
from hone_generator.artifacts.mermaid_erd import grounding, prompts
from hone_generator.providers import llamacpp_host
from hone_generator.providers.base import ChatMessage, Gbnf, JsonSchema

CONTEXT_TOKENS = 1024
MAX_ANSWER_TOKENS = 320


class Engine:
    """One loaded model. `seconds` collects the time of each answer, grammar included."""

    def __init__(self, model: Path, threads: int) -> None:
        self._server = llamacpp_host.load(str(model), CONTEXT_TOKENS, threads)
        self.seconds: list[float] = []
        self.failures: list[str] = []

    async def ask(self, messages: Sequence[ChatMessage], constraint: Gbnf | JsonSchema | None) -> str:
        """The generator's way to put a question."""
        if not isinstance(constraint, Gbnf):
            raise TypeError("the starter reads passages under a grammar")
        return self._answer(
            [{"role": m.role.value, "content": m.content} for m in messages], constraint.grammar
        )

    def read(self, subject: str, passage: str, *, grounded: bool = True) -> Facts:
        """The facts of one normalised passage; none where the answer is no answer."""
        messages = [
            {"role": m.role.value, "content": m.content} for m in prompts.starter_messages(subject, passage)
        ]
        grammar = grounding.grammar_for(subject, passage).grammar if grounded else None
        text = self._answer(messages, grammar)
        try:
            return grounding.grounded(erd_facts.loads(text), subject, passage)[0]
        except FactsError as error:
            self.failures.append(f"{passage}: {error.reason}")
            return ()

    def _answer(self, messages: list[dict[str, str]], grammar: str | None) -> str:
        body: dict[str, Any] = {"messages": messages, "temperature": 0, "max_tokens": MAX_ANSWER_TOKENS}
        if grammar:
            body["grammar"] = grammar
        began = time.perf_counter()
        parts: list[str] = []

        def collect(chunk: dict[str, Any]) -> bool:
            if "error" in chunk:
                raise RuntimeError(str(chunk["error"]))
            parts.extend(choice["delta"].get("content") or "" for choice in chunk.get("choices", ()))
            return False

        self._server.handle_chat_completions({**body, "stream": True}, collect)
        self.seconds.append(time.perf_counter() - began)
        return "".join(parts)
