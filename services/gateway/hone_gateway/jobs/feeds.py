"""What jobs say of themselves, kept for a while in bounded memory, for whoever watches or comes back.

A watcher holds no queue: it remembers the last sequence number it was given and reads on from the feed. Whoever
reads slowly gets tokens joined together, or, when the feed no longer holds what it missed, a snapshot.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager

from hone_contracts.messages import JobProgressed

_FEED_MESSAGES = 512
_FEED_CHARS = 64 * 1024
_MAX_FEEDS = 1000  # times _FEED_CHARS: 64 MB at the very worst


class Feed:
    """The last messages of one job, in the order of their sequence numbers."""

    def __init__(self) -> None:
        self.ended = False
        self.watchers = 0
        self.last: JobProgressed | None = None
        self.changed = asyncio.Event()
        self._messages: deque[JobProgressed] = deque()
        self._chars = 0
        # What was here up to this sequence number is gone.
        self.evicted_to = 0

    def take(self, told: JobProgressed) -> None:
        if self._messages and told.sequence <= self._messages[-1].sequence:
            return  # a superseded attempt, still talking
        if told.kind == "progress":
            self.last = told
        self._messages.append(told)
        self._chars += _size(told)
        while len(self._messages) > _FEED_MESSAGES or self._chars > _FEED_CHARS:
            gone = self._messages.popleft()
            self._chars -= _size(gone)
            self.evicted_to = gone.sequence
        self.tell()

    def end(self) -> None:
        self.ended = True
        self.tell()

    def tell(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    def knows_all_since(self, sequence: int) -> bool:
        """Whether nothing after ``sequence`` was missed: said before this feed began, or gone from it."""
        return bool(self._messages) and self._messages[0].sequence <= sequence + 1

    def is_idle(self) -> bool:
        return not self.watchers and not self._messages

    def since(self, sequence: int) -> list[JobProgressed]:
        """What came after ``sequence``, runs of tokens joined."""
        joined: list[JobProgressed] = []
        for told in self._messages:
            if told.sequence <= sequence:
                continue
            before = joined[-1] if joined else None
            if before is not None and _continues(before, told):
                joined[-1] = told.model_copy(update={"token": (before.token or "") + (told.token or "")})
            else:
                joined.append(told)
        return joined


class Feeds:
    """Feeds by job; the longest unheard of goes first when there are too many, unless somebody watches it."""

    def __init__(self) -> None:
        self._feeds: OrderedDict[str, Feed] = OrderedDict()
        self.closed = False

    def take(self, told: JobProgressed) -> None:
        self._of(told.correlation_id).take(told)

    def peek(self, job_id: str) -> Feed | None:
        return self._feeds.get(job_id)

    def ended(self, job_id: str) -> None:
        """The job's row says so. Nobody needs its feed any more but those who watch now."""
        feed = self._feeds.pop(job_id, None)
        if feed is not None:
            feed.end()

    def close(self) -> None:
        """Let every watcher go: the service stops."""
        self.closed = True
        for feed in self._feeds.values():
            feed.tell()

    @contextmanager
    def watch(self, job_id: str) -> Iterator[Feed]:
        feed = self._of(job_id)
        feed.watchers += 1
        try:
            yield feed
        finally:
            feed.watchers -= 1
            if feed.is_idle() and self._feeds.get(job_id) is feed:
                del self._feeds[job_id]

    def _of(self, job_id: str) -> Feed:
        feed = self._feeds.get(job_id)
        if feed is None:
            feed = self._feeds[job_id] = Feed()
            self._forget()
        self._feeds.move_to_end(job_id)
        return feed

    def _forget(self) -> None:
        if len(self._feeds) <= _MAX_FEEDS:
            return
        oldest = next((job for job, feed in self._feeds.items() if not feed.watchers), None)
        if oldest is not None:
            del self._feeds[oldest]


def _size(told: JobProgressed) -> int:
    return len(told.token or "") + len(told.message) + len(told.stage) + sum(map(len, told.figures))


def _continues(before: JobProgressed, told: JobProgressed) -> bool:
    return before.kind == told.kind == "token" and (before.attempt, before.stage) == (
        told.attempt,
        told.stage,
    )
