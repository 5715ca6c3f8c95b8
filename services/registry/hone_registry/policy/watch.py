"""Following a version at work: is it worse than the one before it was?

Two streams of numbers from 0 to 1 tell of it: the validators' score of its answers, and what people say about them.
Each has its floor, which is what the version before reached for certain, less a margin; all bets are made from one
purse, so that both kinds of evidence add up. The chance of a false alarm, however long the watch, is ``watch_alpha``:
half of it may go wrong with the floors, half with the bets.

What a purse lost in long good times would have to be won back before an alarm in bad ones. So a purse that lost most
of what it held is written off, and the next one begins whole, with a smaller share of the chance: the shares of all
purses, 1/2, 1/6, 1/12, …, add up to one.

One person's verdicts can multiply the purse by ``ONE_PERSON`` of the way at most (on the scale of the logarithm): a
flood from one key is no alarm, and two people who agree are enough.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from hone_chassis.loop_policy import LoopPolicy
from hone_registry.policy.betting import Stream, log_factor
from hone_registry.policy.students_t import t_quantile

Kind = Literal["answers", "verdicts"]
ONE_PERSON = 0.6
_WRITTEN_OFF = math.log(0.3)
_NEUTRAL = 0.5
"""The quality of a reward of 0: where people, on the whole, neither praise nor complain."""


@dataclass(frozen=True)
class Moments:
    """Of numbers from 0 to 1 that were seen: how many, their sum, the sum of their squares."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    @property
    def mean(self) -> float | None:
        return self.total / self.count if self.count else None

    def floor(self, alpha: float) -> float:
        """What their mean is not below, but for a chance of about ``alpha``: Student's bound, with one imagined 0.
        Where all went well so far, nothing else would tell that something can go wrong."""
        count = self.count + 1
        mean = self.total / count
        variance = max(0.0, self.squares - count * mean * mean) / (count - 1)
        return mean - t_quantile(1 - alpha, count - 1) * math.sqrt(variance / count)


def moments(values: Iterable[float]) -> Moments:
    known = list(values)
    return Moments(len(known), sum(known), sum(each * each for each in known))


@dataclass(frozen=True)
class Watch:
    """How the watch stands."""

    streams: Mapping[str, Stream]
    log_purse: float = 0.0
    purse: int = 1

    def bar(self, alpha: float) -> float:
        """The logarithm that the purse must reach."""
        return math.log(2 * self.purse * (self.purse + 1) / alpha)

    def alarmed(self, alpha: float) -> bool:
        return self.log_purse >= self.bar(alpha)

    def saw(
        self, kind: Kind, value: float, alpha: float, person_log: float | None = None
    ) -> tuple["Watch", float]:
        """The watch after ``value``, and what was staked on it. ``person_log`` tells how much the person's earlier
        verdicts made of this purse; None for an answer's score."""
        stream = self.streams.get(kind)
        if stream is None:
            return self, 0.0
        stake = stream.stake
        if person_log is not None and stake:
            room = max(0.0, ONE_PERSON * self.bar(alpha) - person_log)
            stake = min(stake, math.expm1(min(room, 50.0)) / stream.floor)
        after = replace(self, streams={**self.streams, kind: stream.after(value)})
        return after.gained(log_factor(value, stream.floor, stake)), stake

    def gained(self, log: float) -> "Watch":
        purse = self.log_purse + log
        if purse < _WRITTEN_OFF:
            return replace(self, log_purse=0.0, purse=self.purse + 1)
        return replace(self, log_purse=purse)


def begun(answers: Moments, verdicts: Moments, policy: LoopPolicy) -> Watch:
    """``answers`` and ``verdicts`` are those of the version before.

    Without enough answers of it there is nothing to compare scores with. Without enough verdicts, what counts is
    whether people, on the whole, complain.
    """
    streams: dict[str, Stream] = {}
    alpha = policy.watch_alpha / 4
    if answers.count >= policy.watch_min_answers:
        streams["answers"] = Stream(answers.floor(alpha) - policy.watch_margin)
    known = verdicts.count >= policy.watch_min_answers
    floor = verdicts.floor(alpha) if known else _NEUTRAL
    streams["verdicts"] = Stream(floor - policy.watch_margin)
    return Watch(streams)


def stored(watch: Watch) -> dict[str, Any]:
    return {
        "log_purse": watch.log_purse,
        "purse": watch.purse,
        "streams": {
            kind: {"floor": each.floor, "seen": each.seen, "mean": each.mean, "variance": each.variance}
            for kind, each in watch.streams.items()
        },
    }


def restored(state: Mapping[str, Any]) -> Watch:
    streams = {kind: Stream(**each) for kind, each in state["streams"].items()}
    return Watch(streams, state["log_purse"], state["purse"])
