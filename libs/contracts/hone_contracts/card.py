"""Sharing a machine's graphics cards between generation and training, by a lease with a fencing token.

The generator of the machine answers. A training run asks until it is granted, renews the lease well before it runs
out, and gives it back. Its ``token`` goes with everything that it does on the cards: a holder that was away for too
long has a smaller one than whoever came after it. A restart of the generator forgets the lease; the run asks anew.
"""

from datetime import datetime
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from hone_contracts import subjects
from hone_contracts.errors import Request

CardPolicy = Literal["generation_first", "train_first"]
"""Who waits. ``generation_first``: training takes the cards after nothing was generated on them for a while.
``train_first``: it takes them as soon as the answers being written are done, and new ones go elsewhere."""

_RUN = Field(min_length=1, max_length=200, description="the training run, for people to read")
_LEASE_S = Field(default=60.0, ge=1, le=3600, description="how long the lease holds if it is not renewed")


class CardMemory(BaseModel):
    """A card as its driver sees it, or a part of one (MIG)."""

    model_config = ConfigDict(frozen=True)

    uuid: str
    name: str
    total_bytes: int
    used_bytes: int


class RequestCard(Request):
    """May this run have the cards? Asked again, it keeps its place. Answered with a CardLease."""

    subject: ClassVar[str] = subjects.rpc("generator", "request_card")

    run: str = _RUN
    lease_s: float = _LEASE_S
    policy: CardPolicy | None = Field(default=None, description="the generator's own when None")


class RenewCard(Request):
    """Keep the lease. Refused with ``lease_lost`` when it ran out or is another's: stop using the cards."""

    subject: ClassVar[str] = subjects.rpc("generator", "renew_card")

    run: str = _RUN
    token: int
    lease_s: float = _LEASE_S


class ReleaseCard(Request):
    """Give the cards back. To give back what is no longer held does nothing."""

    subject: ClassVar[str] = subjects.rpc("generator", "release_card")

    run: str = _RUN
    token: int


class CardLease(BaseModel):
    """Where the asker stands. Not granted: ``reason`` says why, and ``retry_after_s`` when to ask again."""

    model_config = ConfigDict(frozen=True)

    granted: bool
    token: int | None = None
    expires_at: datetime | None = None
    retry_after_s: float | None = None
    reason: str = ""
    cards: tuple[CardMemory, ...] = Field(default=(), description="as they are now; none where none is seen")


class CardReleased(BaseModel):
    model_config = ConfigDict(frozen=True)

    was_held: bool
