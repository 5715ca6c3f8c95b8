"""What a run will take of memory, time and disk, before it takes any: compared with what is free, and `auto` picked
so that it fits.

Memory is the sum of the weights, the adapter with its gradients and AdamW's moments, what a simulated step keeps
(`simulation`), and what libraries take. Time is the operations of the simulated steps at the speed of a product of
matrices that is measured on the spot.
"""

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hone_trainer.tuning import memory, room
from hone_trainer.tuning.data.tokenised import Tokenised
from hone_trainer.tuning.errors import NotEnoughMemory
from hone_trainer.tuning.machine_memory import Memory
from hone_trainer.tuning.settings import Resolved, Settings
from hone_trainer.tuning.simulation import Blank, Shape, Step, Unpredictable

_USABLE = 0.92
"""Of what is free: another process may take some meanwhile, and the last bytes are found by luck."""

_ON_CARD_BYTES = 500_000_000  # the CUDA context and the libraries' workspaces
_ON_CARD_SLACK = 1.05  # blocks of the caching allocator that fit nothing

# glibc's heap keeps what was freed in the middle of it: in steps of 0.2 to 1 GB on models of 58 million weights the
# process grew by 1.8 to 2.4 times what was alive at once, on top of what libraries load at their first step.
_HEAP = 2.0
_LIBRARIES_BYTES = 250_000_000

_EFFICIENCY = {"cuda": 0.5, "mps": 0.4, "cpu": 0.5}
"""Of the speed of a product of matrices, what a whole step comes to: the rest of it waits for memory."""

_MOST_MICRO = {"cuda": 16384, "mps": 4096, "cpu": 2048}
_LEAST_GOOD_MICRO = {"cuda": 2048, "mps": 1024, "cpu": 512}
"""Tokens at once below which checkpointing, or 4 bits, cost less speed than smaller products do."""

_KTO_OPERATIONS = 2.0  # the base's losses and the mismatched pairs, forward alone, beside the step itself
_DORA_MATRICES = 3  # of the largest layer in fp32, while its norm is taken
_MEASURES = 9  # of the held-out set: before, and eight in a run


@dataclass(frozen=True)
class Way:
    """How a step is laid out: what `auto` chooses between."""

    four_bit: bool
    checkpointing: bool
    micro_tokens: int


@dataclass
class Costs:
    """The peak memory of a run for any way. Each kind of step is simulated once or twice: what a micro-batch keeps
    grows by the same for every row of one length."""

    base: Path
    settings: Settings
    longest: int
    _blanks: dict[bool, Blank] = field(default_factory=dict)
    _lines: dict[tuple[bool, bool], tuple[Step, Step]] = field(default_factory=dict)

    def blank(self, four_bit: bool) -> Blank:
        if four_bit not in self._blanks:
            assert self.settings.dtype != "auto"
            self._blanks[four_bit] = Blank(self.base, self.settings, self.settings.dtype, four_bit=four_bit)
        return self._blanks[four_bit]

    def parts(self, way: Way) -> dict[str, int]:
        """Bytes at the peak of a step, by what they are of. Raises Unpredictable, BaseUnfit."""
        sizes = self.blank(way.four_bit).sizes
        one, two = self._line(way)
        rows = max(1.0, way.micro_tokens / self.longest)
        step = one.peak_bytes + (rows - 1) * (two.peak_bytes - one.peak_bytes)
        if self.settings.use_dora:
            step += _DORA_MATRICES * 4 * sizes.largest
        on_card = self.settings.device == "cuda"
        step *= _ON_CARD_SLACK if on_card else _HEAP if self.settings.device == "cpu" else 1.0
        return {
            "weights": sizes.weights_bytes,
            "adapter": 4 * sizes.adapter,
            "gradients and optimizer": 3 * 4 * sizes.adapter,
            "step": int(step),
            "libraries": _ON_CARD_BYTES if on_card else _LIBRARIES_BYTES,
        }

    def peak(self, way: Way) -> int:
        return sum(self.parts(way).values())

    def operations_a_token(self, way: Way) -> float:
        one, _ = self._line(way)
        return one.operations / self.longest

    def _line(self, way: Way) -> tuple[Step, Step]:
        key = (way.four_bit, way.checkpointing)
        if key not in self._lines:
            blank = self.blank(way.four_bit)
            one, two = (
                blank.step(Shape(rows, self.longest), checkpointing=way.checkpointing) for rows in (1, 2)
            )
            self._lines[key] = (one, two)
        return self._lines[key]


def decide(
    base: Path, resolved: Resolved, train: Tokenised, held_out: Tokenised, out: Path
) -> tuple[Resolved, dict[str, Any]]:
    """The settings with micro_tokens, checkpointing and four_bit picked where they were `auto`, and the prediction.

    ``resolved`` knows device, dtype, threads and packing. Raises NotEnoughMemory, which says what to change,
    NotEnoughDisk, and BaseUnfit.
    """
    settings = resolved.settings
    assert settings.device != "auto"
    costs = Costs(base, settings, int(max(train.lengths.max(), held_out.lengths.max())))
    free = memory.of_device(settings.device)
    try:
        way = _fitting(costs, free.free_bytes)
        predicted = _predicted(costs, way, free, resolved, (train, held_out))
    except Unpredictable as error:
        # Two dry steps follow before anything is learned: what does not fit is found there.
        way = _careful(settings, costs.longest)
        predicted = {"memory": None, "seconds": None, "why": f"this model cannot be simulated: {error}"}
    tokens = int(train.lengths.sum() + held_out.lengths.sum())
    parts = room.parts_of(base, settings, costs.blank(way.four_bit).sizes.adapter, tokens)
    room.check({out: parts})
    picked = resolved.picked(
        micro_tokens=way.micro_tokens, checkpointing=way.checkpointing, four_bit=way.four_bit
    )
    return picked, predicted | {"disk": {"bytes": sum(parts.values()), "parts": parts}}


def _fitting(costs: Costs, free_bytes: int) -> Way:
    """The first way that fits, from the fastest on. Raises NotEnoughMemory where none does and it is not forced."""
    usable = free_bytes * _USABLE
    ways = list(_ways(costs.settings, costs.longest))
    for way in ways:
        if costs.peak(way) <= usable:
            return way
    least = min(ways, key=costs.peak)
    if costs.settings.force:
        return least
    assert costs.settings.device != "auto"
    raise NotEnoughMemory(
        costs.settings.device, costs.peak(least), free_bytes, list(_changes(costs, least, usable))
    )


def _ways(settings: Settings, longest: int) -> Iterator[Way]:
    """What the settings leave open, from the fastest to the smallest."""
    assert settings.device != "auto"
    sizes = list(_micro_tokens(settings, longest))
    good = [each for each in sizes if each >= _LEAST_GOOD_MICRO[settings.device]] or sizes[:1]
    kinds = [
        (four_bit, again) for four_bit in _four_bits(settings) for again in _either(settings.checkpointing)
    ]
    for some in (good, [each for each in sizes if each not in good]):
        for four_bit, again in kinds:
            for micro_tokens in some:
                yield Way(four_bit, again, micro_tokens)


def _micro_tokens(settings: Settings, longest: int) -> Iterator[int]:
    """Powers of two down to the longest sequence, which is never cut; no more than a step has."""
    assert settings.device != "auto"
    if settings.micro_tokens != "auto":
        yield settings.micro_tokens
        return
    size = _MOST_MICRO[settings.device]
    while size // 2 >= settings.batch * longest:
        size //= 2
    least = max(32, longest)
    while size > least:
        yield size
        size //= 2
    yield least


def _four_bits(settings: Settings) -> list[bool]:
    if settings.four_bit != "auto":
        return [settings.four_bit]
    possible = settings.device != "mps" and importlib.util.find_spec("bitsandbytes") is not None
    return [False, True] if possible else [False]


def _either(setting: bool | str) -> list[bool]:
    return [False, True] if isinstance(setting, str) else [setting]


def _careful(settings: Settings, longest: int) -> Way:
    assert settings.device != "auto"
    few = max(longest, _LEAST_GOOD_MICRO[settings.device])
    return Way(
        settings.four_bit is True,
        settings.device == "cuda" if settings.checkpointing == "auto" else settings.checkpointing,
        few if settings.micro_tokens == "auto" else settings.micro_tokens,
    )


def _changes(costs: Costs, least: Way, usable: float) -> Iterator[str]:
    """What a person could change, with what it would come to, the least change first."""
    settings, longest = costs.settings, costs.longest
    if least.micro_tokens > longest:
        yield _change(
            "micro_tokens", max(32, longest), costs.peak(Way(least.four_bit, least.checkpointing, longest))
        )
    if not least.checkpointing:
        yield _change("checkpointing", "true", costs.peak(Way(least.four_bit, True, least.micro_tokens)))
    if not least.four_bit and settings.device != "mps" and settings.four_bit is False:
        yield _change("four_bit", "true", costs.peak(Way(True, least.checkpointing, least.micro_tokens)))
    if longest > 256:
        half = Costs(costs.base, settings, longest // 2)
        best = Way(least.four_bit, True, longest // 2)
        yield f"{_change('most_tokens', longest // 2, half.peak(best))}, leaving out what is longer"
    weights = costs.parts(least)["weights"]
    if weights > usable:
        yield f"the base's weights alone take {weights / 1e9:.2f} GB: take a smaller base"


def _change(name: str, value: object, peak_bytes: int) -> str:
    return f"{name}={value} would take {peak_bytes / 1e9:.2f} GB"


def _predicted(
    costs: Costs, way: Way, free: Memory, resolved: Resolved, data: tuple[Tokenised, Tokenised]
) -> dict[str, Any]:
    settings, parts = costs.settings, costs.parts(way)
    peak = sum(parts.values())
    return {
        "memory": {
            "peak_bytes": peak,
            "free_bytes": free.free_bytes,
            "total_bytes": free.total_bytes,
            "fits": peak <= free.free_bytes * _USABLE,
            "parts": parts,
        },
        "seconds": round(_seconds(costs, way, resolved, *data), 3),
        "weights": costs.blank(way.four_bit).sizes.weights,
        "adapter_weights": costs.blank(way.four_bit).sizes.adapter,
        "simulated": {"longest_tokens": costs.longest, "dtype": settings.dtype},
    }


def _seconds(costs: Costs, way: Way, resolved: Resolved, train: Tokenised, held_out: Tokenised) -> float:
    """Of the steps and the measures. The machine's other load is in it: the speed is measured now."""
    settings = resolved.settings
    assert settings.device != "auto"
    assert settings.dtype != "auto"
    threads = 1 if settings.threads == "auto" else settings.threads
    epochs = max(settings.epochs, settings.batch / max(1, len(train)))
    a_token = costs.operations_a_token(way) * (_KTO_OPERATIONS if resolved.method == "kto" else 1.0)
    forward = a_token / (4.0 if way.checkpointing else 3.0)
    operations = epochs * float(train.lengths.sum()) * a_token
    operations += _MEASURES * float(held_out.lengths.sum()) * forward
    world = settings.processes * settings.nodes
    return operations / (
        memory.speed(settings.device, settings.dtype, threads) * _EFFICIENCY[settings.device] * world
    )
