"""A child process that is spoken to in NDJSON: one JSON document a line on its stdin and its stdout.

Requests carry an ``id``; every answer carries the id of its request. The child ends when its stdin closes, on
Linux with its parent in any case, so that a parent that was killed leaves no orphan.
"""

import asyncio
import itertools
import json
import os
import re
import signal
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Document = dict[str, Any]

HELLO_ID = 0  # what the child says unasked
_STDERR_LINES = 20
_SECRET = re.compile(r"^HONE_|KEY|TOKEN|SECRET|PASSW|CREDENTIAL|DATABASE|DSN|AUTH")
_GUARD = Path(__file__).parent / "pdeathsig.py"


class ChildDied(Exception):
    """The process has ended; ``reason`` says how, with the last of what it wrote to stderr."""

    def __init__(self, reason: str, stderr: Sequence[str] = ()) -> None:
        super().__init__("; ".join([reason, *stderr[-1:]]))
        self.reason = reason
        self.stderr = tuple(stderr)


class Replies:
    """The answers to one request, in order. Leaving the ``with`` block forgets the request."""

    def __init__(self, child: "NdjsonChild", request_id: int) -> None:
        self.request_id = request_id
        self._child = child
        self._queue: asyncio.Queue[Document | ChildDied] = asyncio.Queue()

    async def next(self, within_s: float) -> Document:
        """Raises ChildDied, or TimeoutError after ``within_s`` seconds."""
        if self._queue.empty():
            async with asyncio.timeout(
                within_s
            ):  # not wait_for: in 3.11 it loses a cancellation that meets an answer
                answer = await self._queue.get()
        else:
            answer = self._queue.get_nowait()
        if isinstance(answer, ChildDied):
            self._queue.put_nowait(answer)  # it stays dead
            raise answer
        return answer

    def put(self, answer: Document | ChildDied) -> None:
        self._queue.put_nowait(answer)

    def __enter__(self) -> "Replies":
        return self

    def __exit__(self, *_: object) -> None:
        self._child.forget(self.request_id)


class NdjsonChild:
    """One running process. Make one with :meth:`start`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._ids = itertools.count(HELLO_ID + 1)
        self._waiting: dict[int, Replies] = {}
        self._stderr: deque[str] = deque(maxlen=_STDERR_LINES)
        self._death: ChildDied | None = None
        self.hello = self.expect(HELLO_ID)
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(
        cls, command: Sequence[str], *, max_answer_bytes: int, environment: Mapping[str, str] | None = None
    ) -> "NdjsonChild":
        """With this process's environment less its secrets, and ``environment``. Raises OSError."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-S", str(_GUARD), str(os.getpid())),
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**_without_secrets(os.environ), **(environment or {})},
            limit=max_answer_bytes,
            # Ctrl-C in a terminal is for the service, which then lets its children finish.
            start_new_session=True,
        )
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._death is None and self._process.returncode is None

    def expect(self, request_id: int) -> Replies:
        replies = Replies(self, request_id)
        if self._death is not None:
            replies.put(self._death)
        self._waiting[request_id] = replies
        return replies

    def forget(self, request_id: int) -> None:
        self._waiting.pop(request_id, None)

    def call(self, document: Mapping[str, Any]) -> Replies:
        """Send a request under an id of its own."""
        replies = self.expect(next(self._ids))
        self.send({"id": replies.request_id, **document})
        return replies

    def send(self, document: Mapping[str, Any]) -> None:
        """Never blocks: callers bound the size of a document. A dead child shows in the replies."""
        if self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(json.dumps(document, separators=(",", ":")).encode() + b"\n")

    async def kill(self) -> None:
        """End it at once and wait until it is gone."""
        if self._process.returncode is None:
            self._process.kill()
        await asyncio.shield(self._reader)

    async def close(self, grace_s: float = 2.0) -> None:
        """End it by closing its stdin; kill it if it is still there after ``grace_s`` seconds."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            async with asyncio.timeout(grace_s):
                await asyncio.shield(self._reader)
        except TimeoutError:
            await self.kill()

    async def _read(self) -> None:
        stderr = asyncio.create_task(self._read_stderr())
        fault = await self._read_answers()
        if fault is not None and self._process.returncode is None:
            self._process.kill()
        status = await self._process.wait()
        await stderr
        self._death = ChildDied(fault or _how_it_ended(status), tuple(self._stderr))
        for replies in self._waiting.values():
            replies.put(self._death)

    async def _read_answers(self) -> str | None:
        """Hand out answers until the stream ends. Returns what is wrong with the stream, if anything."""
        stdout = self._process.stdout
        assert stdout is not None
        while True:
            try:
                line = await stdout.readline()
            except ValueError:  # asyncio's word for a line past its limit
                return "it wrote a line that is too long"
            if not line.endswith(b"\n"):
                return None
            try:
                answer = json.loads(line)
            except ValueError:
                return "it wrote a line that is not JSON"
            if isinstance(answer, dict) and (replies := self._waiting.get(answer.get("id", HELLO_ID))):
                replies.put(answer)

    async def _read_stderr(self) -> None:
        """Keep the last lines, and keep the pipe empty so that the child never blocks on it."""
        stderr = self._process.stderr
        assert stderr is not None
        rest = b""
        while data := await stderr.read(65536):
            *lines, rest = (rest + data).split(b"\n")
            rest = rest[-4096:]
            self._stderr.extend(line.decode(errors="replace").strip()[:500] for line in lines if line.strip())


def _without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """A child reads hostile input and needs none of the service's keys."""
    return {name: value for name, value in environment.items() if not _SECRET.search(name.upper())}


def _how_it_ended(status: int) -> str:
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"ended with exit code {status}"
