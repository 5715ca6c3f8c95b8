"""May a run start by itself now? A decision without side effects: what holds it back, one line each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time

from hone_chassis.loop_policy import LoopPolicy
from hone_trainer.pool.weights import Given, allowance, fillable


@dataclass(frozen=True)
class Situation:
    """``now`` in local time. ``trouble``: why a run of the chosen method could not even begin here."""

    now: datetime
    given: Given
    last_started_at: datetime | None
    running: str | None
    trouble: str | None = None


def holds(policy: LoopPolicy, situation: Situation) -> Sequence[str]:
    """Empty: start."""
    found = []
    if not policy.enabled:
        found.append("runs do not start by themselves (HONE_LOOP_ENABLED)")
    if situation.running is not None:
        found.append(f"{situation.running} is under way: one run of a type at a time")
    found += _examples(policy, situation.given)
    if policy.window and not in_window(policy.window, situation.now):
        found.append(f"runs start at {policy.window}, local time (HONE_LOOP_WINDOW)")
    if situation.last_started_at is not None:
        due = situation.last_started_at + policy.min_interval
        if due > situation.now:
            wait_s = (due - situation.now).total_seconds()
            found.append(f"the last run began too short ago: {wait_s:.0f} s to go (HONE_LOOP_MIN_INTERVAL_S)")
    if situation.trouble is not None:
        found.append(situation.trouble)
    return found


def _examples(policy: LoopPolicy, given: Given) -> list[str]:
    size = policy.batch_examples
    if given.total < size:
        return [f"{size - given.total} of {size} new good examples are missing"]
    if given.alone:
        alone = "only one person gave examples, and a team of one may not train (HONE_LOOP_ALONE_ALLOWED)"
        return [] if policy.alone_allowed else [alone]
    missing = size - fillable(size, policy.person_share, given)
    if missing:
        most = allowance(size, policy.person_share, given)
        return [
            f"{missing} of {size} examples are missing from others: one person fills {most} places at most"
        ]
    return []


def in_window(window: str, now: datetime) -> bool:
    """``02:00-06:00``; ``22:00-04:00`` goes over midnight. The end is not in it; the same time twice is all day."""
    begins, ends = (time.fromisoformat(each) for each in window.split("-"))
    clock = now.time()
    if begins == ends:
        return True
    if begins < ends:
        return begins <= clock < ends
    return clock >= begins or clock < ends
