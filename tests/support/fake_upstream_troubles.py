"""The troubles that a model of the fake upstream has by its name, for each protocol alike."""

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from fake_upstream_http import Exchange
from fake_upstream_wire import Answer, Asked, VendorProtocol, sse, stream_of

WRONG_SHAPE = json.dumps({"unexpected": [1, 2, 3], "answer": None})
"""What ``wrong-schema`` answers: valid JSON, and not what was asked for."""

_FLAKY = re.compile(r"flaky-(\d{1,3})")
_RATE_LIMIT = re.compile(r"rate-limit(?:-(\d{1,3}))?")


@dataclass
class Delays:
    """In seconds. ``slow_s``: how slow models wait; ``retry_after_s``: what 429 and 503 ask for."""

    slow_s: float = 3600.0
    piece_s: float = 0.0
    retry_after_s: float = 0.05


@dataclass
class Troubles:
    """Which request of a model fails is drawn from a generator of its own, so that it does not hang on the others."""

    delays: Delays
    seed: int = 0
    huge_bytes: int = 8 * 1024 * 1024
    _asked: Counter[str] = field(default_factory=Counter)
    _dice: dict[str, random.Random] = field(default_factory=dict)

    def refusal(self, asked: Asked) -> tuple[int, str, str, float | None] | None:
        """Status, code, message and time to wait of an error that comes instead of an answer."""
        name = trouble_of(asked.model)
        self._asked[asked.model] += 1
        if flaky := _FLAKY.fullmatch(name):
            dice = self._dice.setdefault(asked.model, random.Random(f"{self.seed} {asked.model}"))
            failed = dice.random() * 100 < int(flaky[1])
            return (500, "server_error", "The server had an error", None) if failed else None
        if limit := _RATE_LIMIT.fullmatch(name):
            recovered = limit[1] is not None and self._asked[asked.model] > int(limit[1])
            wait_s = self.delays.retry_after_s
            return None if recovered else (429, "rate_limit_exceeded", "Rate limit reached", wait_s)
        return self._by_name(name)

    def _by_name(self, name: str) -> tuple[int, str, str, float | None] | None:
        if name == "503-queue":
            return 503, "", "The queue is full", self.delays.retry_after_s
        plain = {
            "missing": (404, "model_not_found", "The model does not exist or you do not have access to it"),
            "forbidden": (403, "", "You are not allowed to use this model"),
            "overloaded": (529, "", "Overloaded"),
            "down": (503, "", "Service Unavailable"),
            "teapot": (418, "", "short and stout"),
        }
        return (*plain[name], None) if name in plain else None

    async def tell(self, exchange: Exchange, protocol: VendorProtocol, asked: Asked, answer: Answer) -> None:
        """The answer, with the trouble that its model has."""
        name = trouble_of(asked.model)
        if name == "slow-first-token":
            await exchange.wait(self.delays.slow_s)
        if name == "portal":
            await exchange.respond(200, "<html>Please sign in</html>", content_type="text/html")
        elif not asked.stream:
            await exchange.respond(200, "<garbage>" if name == "garbage" else protocol.whole(asked, answer))
        else:
            await exchange.begin_stream()
            async for event in self._events(name, exchange, protocol, asked, answer):
                await exchange.send(event)
            await exchange.end_stream()

    async def _events(
        self, name: str, exchange: Exchange, protocol: VendorProtocol, asked: Asked, answer: Answer
    ) -> AsyncIterator[bytes]:
        """The trouble comes after the second piece, when the client has seen something of the answer."""
        events = list(stream_of(protocol, asked, answer))
        closing = len(protocol.closing(asked, answer))
        if name == "early-end":
            events = events[:-closing]
        middle = min(len(protocol.opening(asked)) + 2, len(events) - 1)
        for i, event in enumerate(events):
            if i == middle:
                async for trouble in self._in_the_middle(name, exchange, protocol, asked, event):
                    yield trouble
            if name == "lingers" and i == len(events) - closing + protocol.finishing:
                await exchange.wait(self.delays.slow_s)
            if self.delays.piece_s:
                await asyncio.sleep(self.delays.piece_s)
            yield event
        if name == "lingers":
            await exchange.wait(self.delays.slow_s)

    async def _in_the_middle(
        self, name: str, exchange: Exchange, protocol: VendorProtocol, asked: Asked, event: bytes
    ) -> AsyncIterator[bytes]:
        match name:
            case "cut-stream":
                await exchange.cut(event[: len(event) // 2])
            case "stall":
                await exchange.wait(self.delays.slow_s)
            case "error-in-stream":
                yield protocol.error_event("the model ran into an error")
                await exchange.end_stream()
                await exchange.wait(self.delays.slow_s)
            case "echo-in-stream":
                yield protocol.error_event(f"the key {protocol.key(exchange.request)} is used up")
            case "keep-alive":
                yield b": OPENROUTER PROCESSING\n\n:\n\n"
            case "endless":
                while True:
                    yield protocol.piece(asked, " and so on") * (1 if self.delays.piece_s else 50)
                    await asyncio.sleep(self.delays.piece_s)
            case _:
                for event in _nonsense(name, self.huge_bytes, lambda text: protocol.piece(asked, text)):
                    yield event


def _nonsense(name: str, huge_bytes: int, piece: Callable[[str], bytes]) -> list[bytes]:
    match name:
        case "garbage":
            return [b'data: \xff\xfe{"choices": [<html>\x00\n\n']
        case "deep":
            return [sse("[" * 60_000)]
        case "wrong-shape":
            return [sse({"choices": 17, "candidates": 17, "type": 17})]
        case "huge":
            return [piece("x" * huge_bytes)]
        case "long":
            return [piece("x" * 100_000) for _ in range(huge_bytes // 100_000)]
    return []


def trouble_of(model: str) -> str:
    """``stall`` of ``stall:another``: several models may have the same trouble."""
    return model.partition(":")[0]


def wrong_parameter(protocol: str, asked: Asked, context_tokens: int) -> tuple[str, str] | None:
    """Code and message of what a server does not take, as they write them."""
    if trouble_of(asked.model) == "too-long" or asked.prompt_tokens > context_tokens:
        return _too_long(protocol, asked.prompt_tokens, context_tokens)
    if trouble_of(asked.model) == "little-room" and (asked.max_tokens or 0) + asked.prompt_tokens > 100:
        return "", _little_room(protocol, asked, 100)
    match trouble_of(asked.model), asked.body:
        case "no-schema", {"response_format": _}:
            return "", "response_format is not supported by this model"
        case "no-schema", {"output_config": _}:
            return "", "output_config: Extra inputs are not permitted"
        case "no-schema", {"generationConfig": {"responseJsonSchema": _}}:
            return "", 'Invalid JSON payload received. Unknown name "responseJsonSchema"'
        case "old-tokens", {"max_completion_tokens": _}:
            return "", "Unrecognized request argument supplied: max_completion_tokens"
        case "new-tokens", {"max_tokens": _}:
            message = "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
            return "unsupported_parameter", f"Unsupported parameter: {message}"
        case "no-temperature", {"temperature": _} | {"generationConfig": {"temperature": _}}:
            message = (
                "'temperature' does not support 0 with this model. Only the default (1) value is supported."
            )
            return "unsupported_value", f"Unsupported value: {message}"
    return None


def _too_long(protocol: str, prompt_tokens: int, context_tokens: int) -> tuple[str, str]:
    match protocol:
        case "openai":
            limit = f"This model's maximum context length is {context_tokens} tokens."
            return (
                "context_length_exceeded",
                f"{limit} However, your messages resulted in {prompt_tokens} tokens.",
            )
        case "anthropic":
            return "", f"prompt is too long: {prompt_tokens} tokens > {context_tokens} maximum"
    exceeds = f"exceeds the maximum number of tokens allowed ({context_tokens})"
    return "", f"The input token count ({prompt_tokens}) {exceeds}."


def _little_room(protocol: str, asked: Asked, context_tokens: int) -> str:
    """Prompt and answer share the context (vLLM, Anthropic); Gemini counts them apart, and says this of neither."""
    if protocol == "anthropic":
        wanted = f"{asked.prompt_tokens} + {asked.max_tokens} > {context_tokens}"
        return f"input length and `max_tokens` exceed context limit: {wanted}, decrease input length or `max_tokens`"
    limit = f"This model's maximum context length is {context_tokens} tokens and your request has"
    return f"'max_tokens' is too large: {asked.max_tokens}. {limit} {asked.prompt_tokens} input tokens"
