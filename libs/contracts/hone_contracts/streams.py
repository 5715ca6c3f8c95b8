"""The JetStream streams and buckets that carry the messages, as data. The chassis provisions them."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from hone_contracts import subjects

MAX_MESSAGE_BYTES = 1024 * 1024  # nats-server's default max_payload


@dataclass(frozen=True)
class StreamSpec:
    name: str
    subjects: tuple[str, ...]
    retention: Literal["workqueue", "limits"]
    max_age: timedelta | None
    duplicate_window: timedelta = timedelta(minutes=2)


COMMANDS = StreamSpec("HONE_COMMANDS", (subjects.ALL_COMMANDS,), "workqueue", max_age=None)
EVENTS = StreamSpec("HONE_EVENTS", (subjects.ALL_EVENTS,), "limits", max_age=timedelta(days=7))
DEAD_LETTERS = StreamSpec("HONE_DEAD_LETTERS", (subjects.ALL_DEAD,), "limits", max_age=timedelta(days=30))
# The server's word that a message ran out of deliveries is itself a plain message, lost if nobody listens just
# then. Kept in a stream, it waits for whoever moves dead letters. (A rejected message needs no advisory: whoever
# rejects it buries it first.)
ADVISORIES = StreamSpec(
    "HONE_ADVISORIES",
    (
        "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.HONE_COMMANDS.>",
        "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.HONE_EVENTS.>",
    ),
    "workqueue",
    max_age=timedelta(days=7),
)

STREAMS = (COMMANDS, EVENTS, DEAD_LETTERS, ADVISORIES)
ROUTES_BUCKET = "hone_routes"
