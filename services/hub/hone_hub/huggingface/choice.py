"""Which quantization to take: the best that fits, with room for the context; never simply the largest or first."""

from collections.abc import Sequence
from dataclasses import dataclass

from hone_contracts.huggingface import MemoryPlace, WeightGroup

PREFERENCE = (
    "Q4_K_M", "UD-Q4_K_XL", "Q5_K_M", "UD-Q5_K_XL", "Q6_K", "UD-Q6_K_XL", "Q8_0", "UD-Q8_K_XL",
    "Q6_K_L", "Q5_K_L", "Q4_K_L", "Q5_K_S", "Q4_K_S", "IQ4_NL", "IQ4_XS", "MXFP4_MOE", "MXFP4", "NVFP4",
    "Q5_1", "Q5_0", "Q4_1", "Q4_0", "BF16", "F16",
    "UD-Q3_K_XL", "Q3_K_L", "Q3_K_XL", "Q3_K_M", "IQ3_M", "IQ3_S", "Q3_K_S", "IQ3_XS", "UD-IQ3_XXS", "IQ3_XXS", "F32",
    "UD-Q2_K_XL", "Q2_K_L", "Q2_K", "UD-IQ2_M", "IQ2_M", "IQ2_S", "Q2_K_S", "IQ2_XS", "UD-IQ2_XXS", "IQ2_XXS",
    "TQ2_0", "UD-IQ1_M", "IQ1_M", "TQ1_0", "UD-IQ1_S", "IQ1_S",
)  # fmt: skip
"""Q4_K_M loses little and is half of Q8_0. Then those that lose less, as far as they are worth their memory; then the
older and smaller ones of four bits; 16 bits, whose difference nobody sees; below four bits answers get worse."""

_OF_FEW_BITS = frozenset(PREFERENCE[PREFERENCE.index("F16") + 1 :]) - {"F32"}
_ORDER_IN_WORDS = "Q4_K_M, Q5_K_M, Q6_K, Q8_0, other 4 and 5 bits, 16 bits, 3 bits, 2 bits"

_UNKNOWN = len(PREFERENCE)


@dataclass(frozen=True)
class Choice:
    """``index`` among the groups; None where nothing can be taken."""

    index: int | None
    reasons: tuple[str, ...]


def choose(groups: Sequence[WeightGroup], places: Sequence[MemoryPlace], wanted: str = "auto") -> Choice:
    """``groups`` with their ``fits``. Cards come before the machine's memory in ``places``."""
    usable = [number for number, group in enumerate(groups) if not group.problem]
    if wanted != "auto":
        return _named(groups, usable, wanted)
    broken = [f"{group.quant} is passed over: {group.problem}" for group in groups if group.problem]
    if not usable:
        return Choice(None, tuple(broken) or ("there are no weights to choose from",))
    fitting = [number for number in usable if groups[number].fits]
    if not fitting:
        return Choice(None, (*_nothing_fits(groups, usable, places), *broken))
    best = min(fitting, key=lambda number: _rank(groups[number], places))
    return Choice(best, (*_why(groups, best, fitting), *_passed_over(groups, best, usable), *broken))


def _rank(group: WeightGroup, places: Sequence[MemoryPlace]) -> tuple[int, int, int]:
    """Four bits and more on a card, then in memory; fewer bits likewise."""
    on_card = any(place.kind == "gpu" and place.name == group.fits for place in places)
    few = group.quant in _OF_FEW_BITS
    order = PREFERENCE.index(group.quant) if group.quant in PREFERENCE else _UNKNOWN
    return (2 * few + (not on_card), order, group.size_bytes)


def _named(groups: Sequence[WeightGroup], usable: Sequence[int], wanted: str) -> Choice:
    found = [number for number in usable if groups[number].quant.lower() == wanted.lower()]
    if found:
        return Choice(found[0], (f"{groups[found[0]].quant} was asked for",))
    broken = [group for group in groups if group.problem and group.quant.lower() == wanted.lower()]
    if broken:
        return Choice(None, (f"{broken[0].quant} cannot be used: {broken[0].problem}",))
    known = ", ".join(dict.fromkeys(groups[number].quant for number in usable)) or "none"
    return Choice(None, (f"there is no {wanted[:40]} here; there are: {known}",))


def _why(groups: Sequence[WeightGroup], best: int, fitting: Sequence[int]) -> list[str]:
    group = groups[best]
    room = f", with room for {group.memory.context_tokens} tokens" if group.memory else ""
    several = f"; {len(fitting)} fit, and it comes first of them" if len(fitting) > 1 else ""
    return [
        f"order of preference: {_ORDER_IN_WORDS}",
        f"{group.quant} fits into {group.fits}{room}{several}",
    ]


def _passed_over(groups: Sequence[WeightGroup], best: int, usable: Sequence[int]) -> list[str]:
    return [
        f"{groups[number].quant} needs {_gb(groups[number])} and fits nowhere"
        for number in usable
        if number != best and not groups[number].fits
    ]


def _nothing_fits(
    groups: Sequence[WeightGroup], usable: Sequence[int], places: Sequence[MemoryPlace]
) -> list[str]:
    smallest = groups[min(usable, key=lambda number: groups[number].size_bytes)]
    free = ", ".join(f"{place.name} has {place.free_bytes / 1e9:.1f} GB free" for place in places)
    return [
        f"nothing fits: the smallest, {smallest.quant}, needs {_gb(smallest)}; {free or 'no memory is known'}",
        "unload other models, take a smaller model or --context, or go on all the same with --force",
    ]


def _gb(group: WeightGroup) -> str:
    return f"{(group.memory.total_bytes if group.memory else group.size_bytes) / 1e9:.1f} GB"
