"""Who has the cards, generation or training. Pure: times are given, in seconds of a clock that only goes
forward."""

from dataclasses import dataclass

from hone_contracts.card import CardPolicy


@dataclass(frozen=True, slots=True)
class Grant:
    """``token`` is larger than that of every grant before."""

    run: str
    token: int
    expires: float


@dataclass(frozen=True, slots=True)
class NotYet:
    reason: str
    retry_after_s: float


@dataclass(frozen=True, slots=True)
class Clear:
    """Nothing is generated on the cards at this moment: ``grant`` may follow at once."""


@dataclass(frozen=True, slots=True)
class Use:
    """How the cards are used by generation: answers being written, and seconds since the last one ended."""

    in_use: int
    idle_s: float


@dataclass(frozen=True, slots=True)
class _Asker:
    run: str
    policy: CardPolicy
    forgotten: float


_RETRY_S = 2.0
# Who waits must ask again within this time to keep its place; it leaves room for a slow answer between two asks.
_PLACE_KEPT_S = 15.0


class Lease:
    """One holder at a time, and one asker in line. ``last_token`` is that of the last grant anybody may have
    seen."""

    def __init__(self, policy: CardPolicy, idle_s: float, last_token: int = 0) -> None:
        self._policy: CardPolicy = policy
        self._idle_s = idle_s
        self._token = last_token
        self._held: Grant | None = None
        self._asker: _Asker | None = None

    def holder(self, now: float) -> Grant | None:
        held = self._held
        return held if held is not None and now < held.expires else None

    def closed_by(self, now: float) -> tuple[str, float] | None:
        """The run because of which nothing is generated, and for how many seconds at least; None if all may."""
        if held := self.holder(now):
            return held.run, held.expires - now
        asker = self._waiting(now)
        if asker is not None and asker.policy == "train_first":
            return asker.run, asker.forgotten - now
        return None

    def ask(self, run: str, policy: CardPolicy | None, use: Use, now: float) -> Grant | NotYet | Clear:
        if held := self.holder(now):
            return (
                held if held.run == run else NotYet(f"{held.run} has the cards", _short(held.expires - now))
            )
        asker = self._waiting(now)
        if asker is not None and asker.run != run:
            return NotYet(f"{asker.run} asked before", _RETRY_S)
        policy = policy or self._policy
        self._asker = _Asker(run, policy, now + _PLACE_KEPT_S)
        if use.in_use:
            return NotYet(f"{use.in_use} answers are being written", _RETRY_S)
        if policy == "generation_first" and use.idle_s < self._idle_s:
            return NotYet("something was generated a moment ago", _short(self._idle_s - use.idle_s))
        return Clear()

    def grant(self, run: str, lease_s: float, now: float, token: int) -> Grant:
        """After ``ask`` said that all is clear. ``token`` is a proposal, as a clock's; it becomes larger if
        need be."""
        self._token = max(self._token + 1, token)
        self._held = Grant(run, self._token, now + lease_s)
        self._asker = None
        return self._held

    def renew(self, run: str, token: int, lease_s: float, now: float) -> Grant | None:
        """None when it is not theirs, or no more."""
        held = self.holder(now)
        if held is None or (held.run, held.token) != (run, token):
            return None
        self._held = Grant(run, token, now + lease_s)
        return self._held

    def release(self, run: str, token: int, now: float) -> bool:
        held = self.holder(now)
        if held is None or (held.run, held.token) != (run, token):
            return False
        self._held = None
        return True

    def _waiting(self, now: float) -> _Asker | None:
        asker = self._asker
        return asker if asker is not None and now < asker.forgotten else None


def _short(seconds: float) -> float:
    """Soon enough to keep the place in line."""
    return round(min(max(seconds, 0.1), _PLACE_KEPT_S / 3), 1)
