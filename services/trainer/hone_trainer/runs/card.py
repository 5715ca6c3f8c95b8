"""The card of this machine, for one training process at a time, lent by the generator where it is shared with it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from hone_chassis import Permanent, ProgressPublisher
from hone_chassis.errors import HandlingError
from hone_chassis.logs import get_logger
from hone_contracts.card import CardLease, CardReleased, ReleaseCard, RenewCard, RequestCard
from hone_trainer.asking import Asking
from hone_trainer.runs import machine, process
from hone_trainer.runs.holding import Hold

log = get_logger(__name__)

_ASK_AGAIN_S = 2.0
_LONGEST_PAUSE_S = 30.0


@dataclass
class Card:
    """``shared``: with the generator beside it, which is asked for a lease; else the trainer has it to itself."""

    ask: Asking
    shared: bool
    is_there: Callable[[], bool] = lambda: machine.card() is not None
    lease_s: float = 60.0
    _free: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(
        self,
        command: Sequence[str],
        progress: ProgressPublisher,
        hold: Hold,
        control: Path | None = None,
        device: str = "auto",
    ) -> dict[str, Any]:
        """As ``process.run``, with the card if ``device`` is `cuda`, or `auto` and there is one. When it is lent to
        somebody else meanwhile, the process writes its checkpoint and ends; it goes on once the card is there again.
        Raises ProcessFailed."""
        if device != "cuda" and not (device == "auto" and await asyncio.to_thread(self.is_there)):
            return await process.run(command, progress, hold, control)
        while True:
            async with self._lent(hold, progress) as lost:
                try:
                    return await process.run(command, progress, hold, control, give_up=lost)
                except process.Stopped:
                    log.info("the card was taken back", run_id=hold.run_id)
            await progress("waiting", "the card was lent to somebody else; it goes on from its checkpoint")

    @asynccontextmanager
    async def _lent(self, hold: Hold, progress: ProgressPublisher) -> AsyncIterator[asyncio.Event]:
        """Gives the event at which the card must not be used any more."""
        if self._free.locked():
            await progress("waiting", "another run has the card of this worker")
        async with self._free:
            lost = asyncio.Event()
            if not self.shared:
                yield lost
                return
            lease = await self._granted(hold.run_id, progress)
            renewing = asyncio.create_task(self._renew(lease, lost))
            try:
                yield lost
            finally:
                renewing.cancel()
                await asyncio.shield(self._give_back(lease))

    async def _granted(self, run_id: str, progress: ProgressPublisher) -> "_Lease":
        """Waits as long as it takes: the run's place in the queue is kept by asking."""
        told = ""
        while True:
            pause_s, why = _ASK_AGAIN_S, ""
            try:
                lease = await self.ask(RequestCard(run=run_id, lease_s=self.lease_s), CardLease)
                if lease.granted and lease.token is not None:
                    return _Lease(run_id, lease.token, monotonic() + self.lease_s)
                pause_s, why = lease.retry_after_s or _ASK_AGAIN_S, lease.reason
            except HandlingError as error:
                why = f"{error}. HONE_CARD_SHARED=false where no generator shares the card"
            if why != told:
                told = why
                await progress("waiting", f"for the card: {why}"[:500])
            await asyncio.sleep(min(max(pause_s, 0.1), _LONGEST_PAUSE_S))

    async def _renew(self, lease: "_Lease", lost: asyncio.Event) -> None:
        while monotonic() < lease.expires_at:
            await asyncio.sleep(min(self.lease_s / 3, max(lease.expires_at - monotonic(), 0.05)))
            asked_at = monotonic()
            try:
                if await self._renewed(lease):
                    lease.expires_at = asked_at + self.lease_s
                    continue
                break
            except HandlingError as error:  # the generator is away: the lease holds until it runs out
                log.warning("a card's lease is not renewed", run_id=lease.run_id, error=str(error))
        lost.set()

    async def _renewed(self, lease: "_Lease") -> bool:
        """A generator that was started anew forgot the lease; nobody else had it if it is given again at once."""
        question = RenewCard(run=lease.run_id, token=lease.token, lease_s=self.lease_s)
        try:
            return (await self.ask(question, CardLease)).granted
        except Permanent as error:
            if error.code != "lease_lost":
                raise
        again = await self.ask(RequestCard(run=lease.run_id, lease_s=self.lease_s), CardLease)
        if again.granted and again.token is not None:
            lease.token = again.token
            return True
        return False

    async def _give_back(self, lease: "_Lease") -> None:
        """If nobody hears of it, it runs out."""
        with suppress(HandlingError):
            await self.ask(ReleaseCard(run=lease.run_id, token=lease.token), CardReleased)


@dataclass
class _Lease:
    run_id: str
    token: int
    expires_at: float
    """By this machine's clock, counted from when it was asked for: never later than the generator's."""
