"""A conversation through the same order of models as artifacts, without validation: the first that speaks answers.

Until the first word, trouble of a model is the engine's: it waits, asks again, or goes on to the next model. After
it, the listener has read part of an answer that no other model can continue, and is told that it broke off.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from hone_contracts.artifacts import AttemptKind
from hone_contracts.registry import Reading, Route
from hone_generator.chat.engine import ChatQuestion, Piece
from hone_generator.engine import backoff
from hone_generator.engine.asking import held_to
from hone_generator.engine.budget import Now, Price, Purse, unknown_price
from hone_generator.engine.call import Line, Meter, call
from hone_generator.engine.circuits import CircuitOpen, Circuits
from hone_generator.engine.errors import DeadlinePassed, NoAnswer
from hone_generator.engine.plan import Barred, Candidate, order
from hone_generator.engine.record import REFUSALS, Record
from hone_generator.engine.storable import printable
from hone_generator.providers.base import Chunk, GenerationRequest, JsonSchema, Provider
from hone_generator.providers.errors import ProviderError, RateLimited

_PROMPT_VERSION = "chat/1"
_ANSWER_TOKENS = 4096  # for who does not say
# A model that knows Hone's own compact form alone does not converse.
_CONVERSES: frozenset[Reading] = frozenset({"whole", "passages_schema"})


@dataclass(frozen=True, slots=True)
class Chat:
    """Shares ``circuits`` with the engine, so that what one learns of a model the other knows. ``route`` gives the
    route of what a chat names as its model; it raises HandlingError."""

    providers: Mapping[str, Provider]
    circuits: Circuits
    route: Callable[[str], Awaitable[Route]]
    price: Price = unknown_price
    now: Now = time.monotonic
    jitter: Callable[[], float] = random.random

    async def __call__(self, question: ChatQuestion) -> AsyncGenerator[Piece, None]:
        """Close it (``contextlib.aclosing``) to stop the model.

        Raises NoAnswer before the first piece: no model gave one. Raises ProviderError after it: it broke off.
        """
        route = await self.route(question.model)
        line = Line(Purse(route.budget, self.now), self.circuits, self.price, self.now)
        conversation = _Conversation(route, question, line, self.jitter)
        steps = order(route, self.providers, _CONVERSES)
        for place, step in enumerate(steps):
            if isinstance(step, Barred):
                conversation.record.skipped(step, step.code, step.reason)
                continue
            others = any(isinstance(each, Candidate) for each in steps[place + 1 :])
            async with aclosing(conversation.ask(step.plain, others=others)) as pieces:
                async for piece in pieces:
                    yield piece
            if conversation.answered:
                return
        raise NoAnswer(conversation.record.attempts, min(conversation.waits, default=None))


@dataclass(slots=True)
class _Conversation:
    """One chat on its way through the models. ``waits``: for how many seconds models want to be left alone."""

    route: Route
    question: ChatQuestion
    line: Line
    jitter: Callable[[], float]
    record: Record = field(default_factory=lambda: Record(_PROMPT_VERSION))
    waits: list[float] = field(default_factory=list)
    answered: bool = False

    async def ask(self, candidate: Candidate, *, others: bool) -> AsyncGenerator[Piece, None]:
        """Nothing when the model gave no answer; the record says why."""
        now, model = self.line.now, candidate.model
        for failures in range(1, self.route.attempts_per_model + 1):
            meter, started, begun = Meter(), now(), False
            kind: AttemptKind = "first" if failures == 1 else "again"
            try:
                async with aclosing(
                    _in_time(self.line, candidate, self._request(candidate), meter)
                ) as chunks:
                    async for chunk in chunks:
                        begun = begun or bool(chunk.text)
                        yield Piece(printable(chunk.text), model, chunk.finish_reason, chunk.usage)
            except REFUSALS as refusal:
                self.record.refused(candidate, refusal)
                self.waits += [refusal.for_s] if isinstance(refusal, CircuitOpen) else []
                return
            except ProviderError as error:
                self.record.failed(candidate, kind, meter, now() - started, error)
                if begun:
                    raise
                wait_s = self._wait_s(error, failures, others=others)
                if wait_s is None or failures == self.route.attempts_per_model:
                    return
                await asyncio.sleep(wait_s)
            else:
                self.record.answered(candidate, kind, meter, now() - started, None)
                self.answered = True
                return

    def _wait_s(self, error: ProviderError, failures: int, *, others: bool) -> float | None:
        """Who chats waits at the other end, and can ask again by itself."""
        if isinstance(error, RateLimited) and error.retry_after_s is not None:
            self.waits.append(error.retry_after_s)
        left_s = min(self.line.purse.left_s, backoff.PATIENCE_S)
        return backoff.wait_s(error, failures, left_s=left_s, others=others, jitter=self.jitter)

    def _request(self, candidate: Candidate) -> GenerationRequest:
        """Raises OverBudget."""
        question, limits = self.question, self.route.limits
        schema = question.answer_schema
        constraint = JsonSchema(schema) if schema is not None else None
        messages, kept = held_to(constraint, question.messages, candidate.provider.capabilities)
        chars = sum(len(message.content) for message in messages)
        temperature = question.temperature
        return GenerationRequest(
            messages=messages,
            max_tokens=self.line.room(candidate, chars, question.max_tokens or _ANSWER_TOKENS),
            temperature=self.route.temperature if temperature is None else temperature,
            seed=question.seed or 0,
            constraint=kept,
            stop=question.stop,
            connect_s=limits.connect_s,
            first_token_s=limits.first_token_s,
            timeout_s=limits.total_s,
        )


async def _in_time(
    line: Line, candidate: Candidate, request: GenerationRequest, meter: Meter
) -> AsyncGenerator[Chunk, None]:
    """The call's chunks that say something, until the request's deadline. Raises DeadlinePassed then."""
    async with aclosing(call(line, candidate, request, meter)) as chunks:
        while True:
            try:
                async with asyncio.timeout(line.purse.left_s):
                    chunk = await anext(chunks)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise DeadlinePassed(candidate.model, line.purse.budget.deadline_s) from None
            if chunk.text or chunk.finish_reason is not None or chunk.usage is not None:
                yield chunk
