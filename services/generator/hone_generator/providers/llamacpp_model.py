"""One GGUF model in a process of its own: loaded on first use, one answer at a time, unloaded when idle."""

import asyncio
import json
import logging
import re
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hone_generator.child import ChildDied, Document, NdjsonChild, Replies
from hone_generator.providers.base import Chunk, FinishReason, Gbnf, GenerationRequest, JsonSchema, Usage
from hone_generator.providers.errors import (
    BadProviderAnswer,
    ContextTooLong,
    GenerationTimeout,
    ModelLoadFailed,
    ProviderError,
    ProviderUnavailable,
    RequestRefused,
    StreamBroken,
)

PROVIDER = "llamacpp"

_log = logging.getLogger(__name__)
_MAX_ANSWER_BYTES = 1024 * 1024  # one token's text, or an error's
_HOST = (sys.executable, "-P", "-m", "hone_generator.providers.llamacpp_host")
_CAUSE = re.compile(r"error|fail|invalid|assert|bad_alloc", re.IGNORECASE)
_TOO_LONG_TO_EMBED = re.compile(r"input \(([0-9]{1,12}) tokens\) is (?:too large|larger)")
_CLUTTER = re.compile(r"^(?:[0-9.]+ [A-Z] \w+: +|/\S*/(?=[\w.-]+:[0-9]+: ))")  # time, level, function; a path
# llama.cpp would otherwise call a debugger to print where it aborted.
_ENVIRONMENT = {"GGML_NO_BACKTRACE": "1"}


@dataclass(frozen=True, slots=True)
class HostLimits:
    """How a model is run; one that ``embeds`` gives vectors and no answers. ``reuse_prompts_from_chars``: a
    prompt at least that long reuses what it has in common with the one before; shorter ones do not, so that
    the same request has the same answer whatever came before.
    """

    threads: int
    context_tokens: int
    load_limit_s: float
    cancel_grace_s: float
    idle_unload_s: float
    reuse_prompts_from_chars: int
    embeds: bool = False


class HostedModel:
    """Requests queue in the order of their coming."""

    def __init__(self, name: str, path: Path, limits: HostLimits) -> None:
        self._name = name
        self._path = path
        self._limits = limits
        self._turn = asyncio.Lock()
        self._child: NdjsonChild | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._unloading: asyncio.Task[None] | None = None
        self.last_used = 0.0

    @property
    def pid(self) -> int | None:
        """The process, while the model is loaded."""
        return self._child.pid if self._child is not None and self._child.alive else None

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[Chunk, None]:
        async with (
            self._in_turn() as child,
            aclosing(self._answer(child, request)) as chunks,
        ):
            async for chunk in chunks:
                yield chunk

    async def embed(self, text: str, limit_s: float) -> list[float]:
        """Of a model that ``embeds``."""
        async with self._in_turn() as child:
            with child.call({"embed": text}) as replies:
                ended = False
                try:
                    answer = await self._next(replies, time.monotonic() + limit_s, limit_s, began=False)
                    ended = True
                finally:
                    if not ended:
                        await self._cancel(child, replies)
        if "error" in answer:
            raise self._refusal(answer["error"])
        vector = answer.get("vector")
        if not (
            isinstance(vector, list) and vector and all(isinstance(value, float | int) for value in vector)
        ):
            raise BadProviderAnswer(PROVIDER, f"{self._name} gives no vector")
        return vector

    @asynccontextmanager
    async def _in_turn(self) -> AsyncIterator[NdjsonChild]:
        async with self._turn:
            self._stop_idle_timer()
            try:
                yield await self._loaded()
            finally:
                self.last_used = time.monotonic()
                self._start_idle_timer()

    async def unload(self) -> None:
        """Give the memory back, after the answers that are asked for."""
        async with self._turn:
            self._stop_idle_timer()
            if self._child is not None:
                await self._child.close()
                self._child = None

    async def _answer(self, child: NdjsonChild, request: GenerationRequest) -> AsyncGenerator[Chunk, None]:
        started = time.monotonic()
        limit_s = min(request.first_token_s, request.timeout_s)
        with child.call({"generate": self._body(request)}) as replies:
            began = ended = False
            try:
                while not ended:
                    answer = await self._next(replies, started + limit_s, limit_s, began)
                    began, limit_s = True, request.timeout_s
                    ended = "text" not in answer
                    yield self._chunk(answer)
            finally:
                if not ended:
                    await self._cancel(child, replies)

    async def _next(self, replies: Replies, deadline: float, limit_s: float, began: bool) -> Document:
        remaining_s = deadline - time.monotonic()
        try:
            if remaining_s <= 0:
                raise TimeoutError
            return await replies.next(remaining_s)
        except TimeoutError:
            raise GenerationTimeout(self._name, limit_s, began=began) from None
        except ChildDied as death:
            reason = f"the process of {self._name} was {death}"
            raise (StreamBroken if began else ProviderUnavailable)(PROVIDER, reason) from death

    async def _cancel(self, child: NdjsonChild, replies: Replies) -> None:
        """llama.cpp stops between two tokens; one that is busy with a long prompt or hangs is killed."""
        child.send({"cancel": replies.request_id})
        give_up = time.monotonic() + self._limits.cancel_grace_s
        with suppress(ChildDied):
            try:
                while "text" in await replies.next(max(give_up - time.monotonic(), 0)):
                    pass
            except TimeoutError:
                await child.kill()

    async def _loaded(self) -> NdjsonChild:
        if self._child is None or not self._child.alive:
            self._child = await self._load()
        return self._child

    async def _load(self) -> NdjsonChild:
        started = time.monotonic()
        options = {
            "path": str(self._path),
            "context_tokens": self._limits.context_tokens,
            "threads": self._limits.threads,
            "embeds": self._limits.embeds,
        }
        try:
            child = await NdjsonChild.start(
                [*_HOST, json.dumps(options)], max_answer_bytes=_MAX_ANSWER_BYTES, environment=_ENVIRONMENT
            )
        except OSError as error:
            raise ProviderUnavailable(PROVIDER, f"its process cannot be started: {error}") from error
        try:
            await self._greeting(child)
        except BaseException:
            await child.kill()
            raise
        _log.info("loaded %s in %.0f ms", self._name, (time.monotonic() - started) * 1000)
        return child

    async def _greeting(self, child: NdjsonChild) -> None:
        limit_s = self._limits.load_limit_s
        told: str | None = None
        try:
            told = (await child.hello.next(limit_s)).get("error")
            if told is not None:
                await child.hello.next(limit_s)  # its end, with llama.cpp's reason on stderr
        except ChildDied as death:
            raise ModelLoadFailed(self._name, _load_failure(death, told)) from death
        except TimeoutError:
            raise ModelLoadFailed(self._name, f"not ready after {limit_s:g} s") from None

    def _body(self, request: GenerationRequest) -> Document:
        prompt_chars = sum(len(message.content) for message in request.messages)
        body: Document = {
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
            "cache_prompt": prompt_chars >= self._limits.reuse_prompts_from_chars,
        }
        if request.stop:
            body["stop"] = list(request.stop)
        return {**body, **_constraint(request.constraint)}

    def _chunk(self, answer: Document) -> Chunk:
        if "text" in answer:
            return Chunk(answer["text"])
        if "error" in answer:
            raise self._refusal(answer["error"])
        try:
            return Chunk("", FinishReason(answer["finish"]), _usage(answer["usage"], answer["timings"]))
        except (KeyError, ValueError) as error:
            raise BadProviderAnswer(PROVIDER, f"{error!r} in {answer}") from error

    def _refusal(self, error: Mapping[str, Any]) -> ProviderError:
        if error.get("type") == "exceed_context_size_error":
            return ContextTooLong(self._name, error["n_prompt_tokens"], error["n_ctx"])
        if found := _TOO_LONG_TO_EMBED.search(str(error.get("message"))):
            return ContextTooLong(self._name, int(found[1]), self._limits.context_tokens)
        return RequestRefused(self._name, str(error.get("message", error)))

    def _start_idle_timer(self) -> None:
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(self._limits.idle_unload_s, self._unload_if_idle)

    def _stop_idle_timer(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None

    def _unload_if_idle(self) -> None:
        if not self._turn.locked():
            self._unloading = asyncio.create_task(self.unload())


def _constraint(constraint: Gbnf | JsonSchema | None) -> Document:
    match constraint:
        case Gbnf(grammar):
            return {"grammar": grammar}
        case JsonSchema(schema):
            return {"response_format": {"type": "json_schema", "json_schema": {"schema": dict(schema)}}}
        case None:
            return {}


def _usage(usage: Mapping[str, Any], timings: Mapping[str, Any]) -> Usage:
    return Usage(
        prompt_tokens=usage["prompt_tokens"],
        completion_tokens=usage["completion_tokens"],
        cached_tokens=timings["cache_n"],
    )


def _load_failure(death: ChildDied, told: str | None) -> str:
    """llama.cpp logs the cause first and what followed from it after; what it raises says nothing."""
    causes = [_CLUTTER.sub("", line) for line in death.stderr if _CAUSE.search(line)]
    if told is not None:
        return causes[0] if causes else told
    return "; ".join([*causes[:1], f"llama.cpp was {death.reason}"])
