"""The client of the node process with Mermaid's grammar: started lazily, time-limited, restarted."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hone_generator.child import ChildDied, NdjsonChild, Replies
from hone_generator.mermaid.bundle import BUILD_COMMAND, BUNDLE
from hone_generator.mermaid.errors import MermaidCrashed, MermaidTimeout, MermaidUnavailable, TextTooLarge
from hone_generator.mermaid.node_runtime import node_executable

_MAX_ANSWER_BYTES = 64 * 1024  # the parser cuts its messages to far less
_START_LIMIT_S = 20.0
# A node that cannot start is tried this often in a row, then left alone: each try costs a process.
_START_TRIES = 3
_START_PAUSE_S = 10.0


@dataclass(frozen=True, slots=True)
class SyntaxFault:
    """What the grammar did not accept. ``line`` and ``column`` count from 1 in the text that was given."""

    message: str
    line: int | None = None
    column: int | None = None
    expected: tuple[str, ...] = ()

    @classmethod
    def from_answer(cls, error: Mapping[str, Any]) -> "SyntaxFault":
        return cls(error["message"], error["line"], error["column"], tuple(error["expected"]))


@dataclass(frozen=True, slots=True)
class ParseResult:
    """The grammar's verdict. ``diagram_type`` is mermaid's own name: ``er``, ``class``, ``sequence``, …"""

    diagram_type: str | None
    fault: SyntaxFault | None = None

    @property
    def ok(self) -> bool:
        return self.fault is None


class MermaidParser:
    """Parses diagrams one at a time; may be called from any number of tasks of one event loop.

    ``time_limit_s`` holds for one diagram, from when it is its turn. ``memory_mb`` bounds node's heap.
    """

    def __init__(
        self,
        *,
        time_limit_s: float = 5.0,
        max_text_bytes: int = 256 * 1024,
        memory_mb: int = 256,
        bundle: Path = BUNDLE,
    ) -> None:
        self._time_limit_s = time_limit_s
        self._max_text_bytes = max_text_bytes
        self._memory_mb = memory_mb
        self._bundle = bundle
        self._turn = asyncio.Lock()
        self._child: NdjsonChild | None = None
        self._failed_starts = 0
        self._last_failed_start = 0.0

    @property
    def pid(self) -> int | None:
        """The node process, while there is one."""
        return self._child.pid if self._child is not None and self._child.alive else None

    async def parse(self, text: str) -> ParseResult:
        """Raises TextTooLarge, MermaidTimeout, MermaidCrashed or MermaidUnavailable (all: MermaidError)."""
        size_bytes = len(text.encode("utf-8", "replace"))
        if size_bytes > self._max_text_bytes:
            raise TextTooLarge(size_bytes, self._max_text_bytes)
        async with self._turn:
            try:
                return await self._parse(text)
            except MermaidCrashed:
                # The process may have died before this diagram, of something else: a fresh one will tell.
                return await self._parse(text)

    async def aclose(self) -> None:
        async with self._turn:
            if self._child is not None:
                await self._child.close()
                self._child = None

    async def _parse(self, text: str) -> ParseResult:
        child = await self._running()
        with child.call({"text": text}) as replies:
            return await self._verdict(child, replies)

    async def _verdict(self, child: NdjsonChild, replies: Replies) -> ParseResult:
        try:
            answer = await replies.next(self._time_limit_s)
        except TimeoutError:
            await child.kill()
            raise MermaidTimeout(self._time_limit_s) from None
        except ChildDied as death:
            raise MermaidCrashed(str(death)) from death
        except asyncio.CancelledError:
            # Nobody knows how long it would go on, and the next diagram must not pay for this one.
            await child.kill()
            raise
        error = answer.get("error")
        return ParseResult(answer.get("type"), SyntaxFault.from_answer(error) if error else None)

    async def _running(self) -> NdjsonChild:
        if self._child is None or not self._child.alive:
            self._child = await self._start()
        return self._child

    async def _start(self) -> NdjsonChild:
        if not self._bundle.is_file():
            raise MermaidUnavailable("it is not built", f"Build it with `{BUILD_COMMAND}`")
        pause_s = self._last_failed_start + _START_PAUSE_S - time.monotonic()
        if self._failed_starts >= _START_TRIES and pause_s > 0:
            raise MermaidUnavailable("its process keeps failing to start", f"Next try in {pause_s:.0f} s")
        command = (str(node_executable()), f"--max-old-space-size={self._memory_mb}", str(self._bundle))
        try:
            child = await NdjsonChild.start(command, max_answer_bytes=_MAX_ANSWER_BYTES)
            await self._greeting(child)
        except (OSError, ChildDied) as error:
            self._failed_starts += 1
            self._last_failed_start = time.monotonic()
            raise MermaidUnavailable(str(error), f"Rebuild it with `{BUILD_COMMAND} --force`") from error
        self._failed_starts = 0
        return child

    async def _greeting(self, child: NdjsonChild) -> None:
        try:
            await child.hello.next(_START_LIMIT_S)
        except TimeoutError:
            await child.kill()
            raise ChildDied(f"not ready after {_START_LIMIT_S:g} s") from None
        except asyncio.CancelledError:
            await child.kill()
            raise
