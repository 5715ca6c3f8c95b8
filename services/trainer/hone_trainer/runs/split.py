"""Which examples are trained on and which are held out. Pure.

Near-duplicates stay on one side. What was held out once stays held out, and what was trained on once is no
held-out example any more: new examples that are near to either go to its side, and those that are near to both to
none. Corrected examples tell more in an evaluation, and teach more, too: the held-out set has half as many again as
its share of them.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from hone_chassis.loop_policy import LoopPolicy
from hone_trainer.examples import Example


@dataclass(frozen=True)
class Candidates:
    """``fresh`` are the batch, ``replayed`` older ones that were trained on, ``held`` older ones that were held out.
    ``groups`` has a number for each of them in this order, and then for ``trained``, texts that are not used."""

    fresh: Sequence[Example]
    replayed: Sequence[Example]
    held: Sequence[Example]
    groups: Sequence[int]


@dataclass(frozen=True)
class Split:
    train: tuple[Example, ...]
    held_out: tuple[Example, ...]
    left_out: tuple[Example, ...]
    groups: dict[str, int]


def split(candidates: Candidates, policy: LoopPolicy, seed: str) -> Split:
    fresh, replayed, held = candidates.fresh, candidates.replayed, candidates.held
    everyone = [*fresh, *replayed, *held]
    groups = {example.id: group for example, group in zip(everyone, candidates.groups, strict=False)}
    # Of a run that came to nothing, new examples may have been held out before, too.
    held_groups = {groups[each.id] for each in (*held, *fresh) if each.held_out}
    trained = set(candidates.groups[len(everyone) :]) | {groups[each.id] for each in replayed}
    free = [each for each in fresh if groups[each.id] not in held_groups | trained]
    near_held = [each for each in fresh if groups[each.id] in held_groups - trained or each.held_out]
    near_trained = [each for each in fresh if groups[each.id] in trained - held_groups]
    chosen = _choose(free, groups, _wanted(len(fresh), len(held), policy) - len(near_held), seed)
    new_held = [*(each for each in free if each.id in chosen), *near_held]
    older = sorted(held, key=lambda each: (not each.corrected, _place(each, seed)))
    held_out = (*new_held, *older)[: policy.held_out_max]
    train = (
        *(each for each in free if each.id not in chosen),
        *near_trained,
        *(each for each in replayed if groups[each.id] not in held_groups),
    )
    kept = {each.id for each in (*train, *new_held)}
    left_out = tuple(each for each in fresh if each.id not in kept)
    return Split(train, held_out, left_out, groups)


def _wanted(fresh: int, held: int, policy: LoopPolicy) -> int:
    """New held-out examples: a share, and what the least number lacks; half of the batch at most."""
    missing = policy.held_out_min - min(held, policy.held_out_max)
    most = min(policy.held_out_max, max(fresh // 2, min(policy.held_out_min, fresh - 1)))
    return max(0, min(max(round(policy.held_out_share * fresh), missing), most))


def _choose(free: Sequence[Example], groups: dict[str, int], wanted: int, seed: str) -> set[str]:
    """Whole groups, in an order that nobody chose, corrected ones up to their number first."""
    members: dict[int, list[Example]] = defaultdict(list)
    for each in free:
        members[groups[each.id]].append(each)
    corrected = sum(each.corrected for each in free)
    first = min(wanted, math.ceil(1.5 * corrected * wanted / len(free))) if free else 0
    order = sorted(members.values(), key=lambda them: min(_place(each, seed) for each in them))
    chosen = _fill([them for them in order if them[0].corrected], first)
    rest = [them for them in order if them[0].id not in chosen]
    # Those without a correction next: the corrected ones that are left are what is to be learned.
    rest.sort(key=lambda them: them[0].corrected)
    return chosen | _fill(rest, wanted - len(chosen))


def _fill(groups: Sequence[Sequence[Example]], wanted: int) -> set[str]:
    chosen: set[str] = set()
    for them in groups:
        if len(chosen) + len(them) <= wanted:
            chosen |= {each.id for each in them}
    return chosen


def _place(example: Example, seed: str) -> str:
    return sha256(f"{seed} {example.key}".encode()).hexdigest()
