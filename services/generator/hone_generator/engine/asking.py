"""The ``ask`` of an attempt: an artifact type's questions go to the attempt's model, what it writes to who waits."""

import json
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from hone_contracts.registry import Reading, TimeLimits
from hone_generator.engine.call import Line, Meter, call
from hone_generator.engine.examples import Told, with_examples
from hone_generator.engine.plan import Candidate
from hone_generator.engine.telling import Audience
from hone_generator.providers.base import (
    Capabilities,
    ChatMessage,
    Gbnf,
    GenerationRequest,
    JsonSchema,
    Role,
)

_ANSWER_TOKENS: dict[Reading, int] = {"passages": 256, "passages_schema": 1024, "whole": 8192}
_MOST_WORDED_CHARS = 20_000  # of a schema or grammar in words; a model does not follow a longer one


@dataclass(frozen=True, slots=True)
class Sampling:
    temperature: float = 0.0
    seed: int = 0


Known = dict[tuple[ChatMessage, ...], str]
"""Answers of an attempt that was cut off by a transport failure, by question: they are not asked for twice."""


@dataclass(frozen=True, slots=True)
class Asking:
    """Raises what the call raises: ProviderError, CircuitOpen, OverBudget. ``remarks`` are for who reads the
    artifact."""

    line: Line
    candidate: Candidate
    limits: TimeLimits
    sampling: Sampling
    audience: Audience
    known: Known = field(default_factory=dict)
    meter: Meter = field(default_factory=Meter)
    remarks: list[str] = field(default_factory=list)

    async def __call__(self, messages: Sequence[ChatMessage], constraint: Gbnf | JsonSchema | None) -> str:
        question = tuple(messages)
        if question not in self.known:
            told = with_examples(self.candidate, question)
            if told.remark is not None and told.remark not in self.remarks:
                self.remarks.append(told.remark)
            self.known[question] = await self._asked(told.candidate, self._request(told, constraint))
        return self.known[question]

    async def _asked(self, candidate: Candidate, request: GenerationRequest) -> str:
        parts = []
        async with aclosing(call(self.line, candidate, request, self.meter)) as chunks:
            async for chunk in chunks:
                if chunk.text:
                    parts.append(chunk.text)
                    await self.audience.write(chunk.text)
        return "".join(parts)

    def _request(self, told: Told, constraint: Gbnf | JsonSchema | None) -> GenerationRequest:
        candidate = told.candidate
        messages, kept = held_to(constraint, told.messages, candidate.provider.capabilities)
        chars = told.held_chars + sum(len(message.content) for message in messages)
        return GenerationRequest(
            messages=messages,
            max_tokens=self.line.room(candidate, chars, _ANSWER_TOKENS[candidate.reading]),
            temperature=self.sampling.temperature,
            seed=self.sampling.seed,
            constraint=kept,
            connect_s=self.limits.connect_s,
            first_token_s=self.limits.first_token_s,
            timeout_s=self.limits.total_s,
        )


def held_to(
    constraint: Gbnf | JsonSchema | None, messages: tuple[ChatMessage, ...], can: Capabilities
) -> tuple[tuple[ChatMessage, ...], Gbnf | JsonSchema | None]:
    """The question and its constraint for a provider: as it is, or in words where it cannot hold a model to it. A
    grammar is of a model that was trained on its sentences: words about it would be the first that it ever read."""
    if isinstance(constraint, JsonSchema) and not can.json_schema:
        schema = json.dumps(constraint.schema, ensure_ascii=False, separators=(",", ":"))
        words = "Answer with one JSON document and nothing around it. It has to be valid by this JSON Schema:"
        return _instructed(messages, words, schema), None
    if isinstance(constraint, Gbnf) and not can.grammar:
        return messages, None
    return messages, constraint


def _instructed(messages: tuple[ChatMessage, ...], words: str, form: str) -> tuple[ChatMessage, ...]:
    """As part of the instructions, which stand before all untrusted text."""
    if len(form) > _MOST_WORDED_CHARS:
        return messages
    said = f"{words}\n{form}"
    if messages and messages[0].role is Role.SYSTEM:
        return (replace(messages[0], content=f"{messages[0].content}\n\n{said}"), *messages[1:])
    return (ChatMessage(Role.SYSTEM, said), *messages)
