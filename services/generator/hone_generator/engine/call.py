"""One question to one model: metered, bounded in size, and told to the model's circuit."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Final

from hone_generator.engine.budget import Cost, Now, Price, Purse, tokens_of
from hone_generator.engine.circuits import Circuits
from hone_generator.engine.errors import AnswerFiltered, AnswerTooLong, OverBudget
from hone_generator.engine.plan import Candidate
from hone_generator.memory.errors import CardBusy, CardLeased, DoesNotFit
from hone_generator.providers.base import Chunk, FinishReason, GenerationRequest, Usage
from hone_generator.providers.errors import ProviderError, RateLimited

NO_ROOM: Final = (DoesNotFit, CardBusy, CardLeased)
"""The provider is there, and its memory is not: nobody's failure."""

_MOST_CHARS_PER_TOKEN = 16  # white space comes in longer tokens, an answer of them alone does not


@dataclass(slots=True)
class Meter:
    """What the questions of an attempt took. ``cost_usd`` is None once a price was not known."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost_usd: float | None = 0.0
    first_token_ms: float | None = None
    model_ms: float = 0.0
    cut: bool = False  # an answer ended because it was as long as it may be


@dataclass(frozen=True, slots=True)
class Line:
    """What every call of a request shares."""

    purse: Purse
    circuits: Circuits
    price: Price
    now: Now

    def cost(self, candidate: Candidate) -> Cost:
        """Models on the team's own machines cost nothing."""
        if candidate.provider.local:
            return lambda _prompt_tokens, _completion_tokens: 0.0
        return partial(self.price, candidate.asked)

    def room(self, candidate: Candidate, prompt_chars: int, wanted_tokens: int) -> int:
        """How many tokens the answer to the next question may have. Raises OverBudget: none, or no time is left."""
        if self.purse.left_s <= 0:
            raise OverBudget("deadline", f"the request's {self.purse.budget.deadline_s:g} s are over")
        return self.purse.answer_tokens(candidate.model, prompt_chars, wanted_tokens, self.cost(candidate))


async def call(
    line: Line, candidate: Candidate, request: GenerationRequest, meter: Meter
) -> AsyncGenerator[Chunk, None]:
    """The model's answer as it comes; close it to stop the model. Raises ProviderError, CircuitOpen."""
    model = str(candidate.asked)
    permit = line.circuits.admit(model)
    started, chars, usage, settled, asked = line.now(), 0, None, False, True
    most_chars = request.max_tokens * _MOST_CHARS_PER_TOKEN
    try:
        async with aclosing(candidate.provider.generate(candidate.asked, request)) as chunks:
            async for chunk in chunks:
                if chunk.text and meter.first_token_ms is None:
                    meter.first_token_ms = (line.now() - started) * 1000
                chars += len(chunk.text)
                usage = chunk.usage or usage
                if chars > most_chars:
                    raise AnswerTooLong(model, most_chars)
                meter.cut = meter.cut or chunk.finish_reason is FinishReason.LENGTH
                if chunk.finish_reason is FinishReason.REFUSED:
                    raise AnswerFiltered(model)
                yield chunk
        settled = True
        line.circuits.succeeded(permit)
    except NO_ROOM:
        asked = False
        raise
    except ProviderError as error:
        if error.transient:
            line.circuits.failed(permit, error.retry_after_s if isinstance(error, RateLimited) else None)
        else:
            line.circuits.succeeded(permit)
        settled = True
        raise
    finally:
        if not settled:
            line.circuits.released(permit)
        if asked:
            _settle(line, candidate, meter, usage or _estimated(request, chars), line.now() - started)


def _estimated(request: GenerationRequest, chars: int) -> Usage:
    """Where the provider did not count, or the answer was cut. A prompt that had no answer was not read."""
    prompt_chars = sum(len(message.content) for message in request.messages)
    return Usage(tokens_of(prompt_chars) if chars else 0, tokens_of(chars))


def _settle(line: Line, candidate: Candidate, meter: Meter, usage: Usage, took_s: float) -> None:
    cost = line.cost(candidate)(usage.prompt_tokens, usage.completion_tokens)
    meter.calls += 1
    meter.model_ms += took_s * 1000
    meter.prompt_tokens += usage.prompt_tokens
    meter.completion_tokens += usage.completion_tokens
    meter.cost_usd = None if cost is None or meter.cost_usd is None else meter.cost_usd + cost
    line.purse.spend(usage.prompt_tokens + usage.completion_tokens, cost)
