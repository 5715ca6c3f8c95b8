"""Messages that could not be handled: kept with the reason, readable, and able to be sent again."""

import json
from contextlib import suppress
from dataclasses import dataclass

import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg
from pydantic import BaseModel

from hone_chassis.logs import get_logger
from hone_contracts import streams, subjects
from hone_contracts.errors import ErrorBody
from hone_contracts.messages import DEFAULT_TENANT

log = get_logger(__name__)

REASON_HEADER = "Hone-Reason"
CONSUMER_HEADER = "Hone-Consumer"
_TIMEOUT_S = 5.0
_LOOK_AT_MOST = 1000


class DeadLetter(BaseModel):
    """A dead letter as people and programs see it. ``id`` is its place in the stream."""

    id: int
    subject: str
    reason: ErrorBody
    job_id: str | None
    tenant: str
    body: str


class NoSuchDeadLetter(Exception):
    def __init__(self, sequence: int) -> None:
        super().__init__(f"no dead letter {sequence}: `hone dead ls` shows what there is")


class Advisory(BaseModel):
    """The server's word that it will not deliver a message again (MAX_DELIVERIES)."""

    type: str
    stream: str
    consumer: str
    stream_seq: int
    deliveries: int = 0


async def bury(
    jetstream: JetStreamContext,
    subject: str,
    body: bytes,
    headers: dict[str, str],
    *,
    consumer: str,
    reason: ErrorBody,
) -> None:
    """Keep a message that ``consumer`` gave up. Burying it twice keeps one."""
    kept = {name: value for name, value in headers.items() if not name.startswith("Nats-")}
    message_id = headers.get("Nats-Msg-Id")
    if message_id:
        kept["Nats-Msg-Id"] = f"dead:{consumer}:{message_id}"
    kept[CONSUMER_HEADER] = consumer
    kept[REASON_HEADER] = reason.model_dump_json()
    await jetstream.publish(subjects.dead(subject), body, headers=kept, timeout=_TIMEOUT_S)


async def bury_exhausted(jetstream: JetStreamContext, advisory: Advisory) -> None:
    """Move a message that killed its handlers, or outlived its deliveries, out of its stream."""
    with suppress(nats.js.errors.NotFoundError):  # it was moved by an earlier delivery of this advisory
        message = await jetstream.get_msg(advisory.stream, advisory.stream_seq)
        reason = ErrorBody(
            code="deliveries_exhausted",
            title="Given up after repeated tries",
            detail=f"{advisory.deliveries} deliveries to {advisory.consumer} ended without an answer: "
            "whoever took it died or was cut off. Its log says why; `hone dead retry` sends it again.",
        )
        headers, body = dict(message.headers or {}), message.data or b""
        await bury(jetstream, message.subject or "", body, headers, consumer=advisory.consumer, reason=reason)
        if advisory.stream == streams.COMMANDS.name:
            await jetstream.delete_msg(advisory.stream, advisory.stream_seq)


@dataclass(frozen=True)
class Cemetery:
    """Reads and resends dead letters."""

    jetstream: JetStreamContext

    async def newest(self, limit: int, tenant: str | None = None) -> list[DeadLetter]:
        """The newest first, ``tenant``'s alone or everyone's; looks at no more than the last thousand."""
        state = (await self.jetstream.stream_info(streams.DEAD_LETTERS.name)).state
        oldest = max(state.first_seq, state.last_seq - _LOOK_AT_MOST, 1)
        found: list[DeadLetter] = []
        for sequence in range(state.last_seq, oldest - 1, -1):
            if len(found) == limit:
                break
            with suppress(nats.js.errors.NotFoundError):
                letter = _letter(await self.jetstream.get_msg(streams.DEAD_LETTERS.name, sequence))
                if tenant in {None, letter.tenant}:
                    found.append(letter)
        return found

    async def get(self, sequence: int) -> DeadLetter:
        try:
            return _letter(await self.jetstream.get_msg(streams.DEAD_LETTERS.name, sequence))
        except nats.js.errors.NotFoundError as error:
            raise NoSuchDeadLetter(sequence) from error

    async def remove(self, sequence: int) -> None:
        await self.jetstream.delete_msg(streams.DEAD_LETTERS.name, sequence)


def _letter(message: RawStreamMsg) -> DeadLetter:
    headers = message.headers or {}
    return DeadLetter(
        id=message.seq or 0,
        subject=(message.subject or "").removeprefix(subjects.DEAD_PREFIX),
        reason=reason_of(headers),
        job_id=headers.get("correlation_id"),
        tenant=_tenant(message.data or b""),
        body=(message.data or b"").decode(errors="replace"),
    )


def _tenant(body: bytes) -> str:
    """Whose message it was. One that does not say so, or nothing legible, is the default tenant's: else nobody would
    ever see it."""
    try:
        tenant = json.loads(body)["tenant"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return DEFAULT_TENANT
    return tenant if isinstance(tenant, str) else DEFAULT_TENANT


def reason_of(headers: dict[str, str]) -> ErrorBody:
    found = headers.get(REASON_HEADER)
    if found is None:
        return ErrorBody(code="unknown", title="Given up", detail="no reason was recorded")
    return ErrorBody.model_validate_json(found)
