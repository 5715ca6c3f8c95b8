"""The machine's NVIDIA cards, by what their driver's library (NVML) says of them.

Source: https://docs.nvidia.com/deploy/nvml-api/; a card that is cut into parts (MIG) refuses to tell its own
memory and is seen as its parts. Other makers' cards, and a machine without any, are no cards.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Card:
    """``used_bytes`` is what nobody else can have: of all processes, and what the driver keeps for itself."""

    uuid: str
    name: str
    total_bytes: int
    used_bytes: int


class Cards(Protocol):
    def read(self) -> tuple[Card, ...]:
        """The cards as they are now, in the driver's order; none when none can be seen. May take milliseconds."""
        ...


class NvmlCards:
    """``wanted``: UUIDs or numbers of the cards to see, all when empty. ``nvml`` is the module ``pynvml``.

    The library is loaded when it is first asked, so that a machine without a driver needs neither.
    """

    def __init__(self, wanted: frozenset[str] = frozenset(), nvml: Any = None) -> None:
        self._wanted = wanted
        self._nvml = nvml
        self._ready = False
        self.trouble = ""

    def read(self) -> tuple[Card, ...]:
        if self._nvml is None:
            import pynvml  # noqa: PLC0415 (10,000 lines that most machines never need)

            self._nvml = pynvml
        try:
            if not self._ready:
                self._nvml.nvmlInit()
                self._ready = True
            cards = tuple(self._all())
        except self._nvml.NVMLError as error:
            self._say(f"{type(error).__name__}: {error}")
            self._ready = False  # a driver that was updated or came back is found again
            return ()
        self._say("")
        return cards

    def close(self) -> None:
        if self._ready:
            self._ready = False
            self._nvml.nvmlShutdown()

    def _all(self) -> Iterator[Card]:
        for number in range(self._nvml.nvmlDeviceGetCount()):
            handle = self._nvml.nvmlDeviceGetHandleByIndex(number)
            whole = self._is_wanted(number, handle)
            parts = list(self._parts(handle))
            for device in parts or [handle]:
                if (whole or self._uuid(device) in self._wanted) and (card := self._card(device)) is not None:
                    yield card

    def _parts(self, handle: Any) -> Iterator[Any]:
        """The MIG instances of a card that is cut into such."""
        try:
            current, _pending = self._nvml.nvmlDeviceGetMigMode(handle)
        except self._nvml.NVMLError:
            return  # this card cannot be cut
        if not current:
            return
        for number in range(self._nvml.nvmlDeviceGetMaxMigDeviceCount(handle)):
            try:
                yield self._nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, number)
            except self._nvml.NVMLError:
                continue  # there may be gaps

    def _is_wanted(self, number: int, handle: Any) -> bool:
        return not self._wanted or str(number) in self._wanted or self._uuid(handle) in self._wanted

    def _uuid(self, handle: Any) -> str:
        return str(self._nvml.nvmlDeviceGetUUID(handle))

    def _card(self, handle: Any) -> Card | None:
        """None of a card that has no memory of its own, or does not tell."""
        try:
            memory = self._nvml.nvmlDeviceGetMemoryInfo(handle)
        except (self._nvml.NVMLError_NotSupported, self._nvml.NVMLError_NoPermission):
            return None
        total, free = int(memory.total), int(memory.free)
        return Card(self._uuid(handle), str(self._nvml.nvmlDeviceGetName(handle)), total, total - free)

    def _say(self, trouble: str) -> None:
        if trouble != self.trouble:
            self.trouble = trouble
            _log.info("no graphics card is seen: %s", trouble) if trouble else _log.info(
                "graphics cards are seen"
            )
