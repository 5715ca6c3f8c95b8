"""Cards as NVML tells of them: several, cut into parts, gone, or none at all. ``FakeNvml`` stands for the driver."""

from dataclasses import dataclass, field
from typing import Any

import pynvml
import pytest

from hone_generator.memory.cards import Card, NvmlCards

GIB = 1 << 30


@dataclass
class Memory:
    total: int
    free: int


@dataclass
class Device:
    """``parts``: of a card that is cut (MIG), with gaps."""

    uuid: str
    total: int = 24 * GIB
    free: int = 20 * GIB
    parts: "list[Device | None] | None" = None
    trouble: type[Exception] | None = None


@dataclass
class FakeNvml:
    """The calls that are made of ``pynvml``, by their real names, and its real errors."""

    devices: list[Device] = field(default_factory=list)
    trouble: type[Exception] | None = None
    inits: int = 0
    shutdowns: int = 0
    NVMLError: Any = pynvml.NVMLError
    NVMLError_NotSupported: Any = pynvml.NVMLError_NotSupported
    NVMLError_NoPermission: Any = pynvml.NVMLError_NoPermission

    def nvmlInit(self) -> None:  # noqa: N802
        self.inits += 1
        if self.trouble is not None:
            raise self.trouble

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.shutdowns += 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        if self.trouble is not None:
            raise self.trouble
        return len(self.devices)

    def nvmlDeviceGetHandleByIndex(self, number: int) -> Device:  # noqa: N802
        return self.devices[number]

    def nvmlDeviceGetMigMode(self, device: Device) -> list[int]:  # noqa: N802
        if device.parts is None:
            raise pynvml.NVMLError_NotSupported
        return [1, 1]

    def nvmlDeviceGetMaxMigDeviceCount(self, device: Device) -> int:  # noqa: N802
        return len(device.parts or ())

    def nvmlDeviceGetMigDeviceHandleByIndex(self, device: Device, number: int) -> Device:  # noqa: N802
        part = (device.parts or [])[number]
        if part is None:
            raise pynvml.NVMLError_NotFound
        return part

    def nvmlDeviceGetMemoryInfo(self, device: Device) -> Memory:  # noqa: N802
        if device.trouble is not None:
            raise device.trouble
        return Memory(device.total, device.free)

    def nvmlDeviceGetUUID(self, device: Device) -> str:  # noqa: N802
        return device.uuid

    def nvmlDeviceGetName(self, device: Device) -> str:  # noqa: N802
        return "A card"


def seen(nvml: FakeNvml, wanted: frozenset[str] = frozenset()) -> list[str]:
    return [card.uuid for card in NvmlCards(wanted, nvml).read()]


def test_the_calls_are_those_of_the_real_library() -> None:
    for name in vars(FakeNvml):
        if name.lower().startswith("nvml"):
            assert hasattr(pynvml, name)


def test_what_the_driver_keeps_for_itself_counts_as_used() -> None:
    nvml = FakeNvml([Device("GPU-0", total=24 * GIB, free=23 * GIB), Device("GPU-1", free=0)])
    assert NvmlCards(nvml=nvml).read() == (
        Card("GPU-0", "A card", 24 * GIB, GIB),
        Card("GPU-1", "A card", 24 * GIB, 24 * GIB),
    )


def test_a_card_that_is_cut_into_parts_is_seen_as_its_parts() -> None:
    whole = Device(
        "GPU-0",
        trouble=pynvml.NVMLError_NoPermission,
        parts=[Device("MIG-a", 10 * GIB, 9 * GIB), None, Device("MIG-b", 5 * GIB, 5 * GIB)],
    )
    nvml = FakeNvml([whole, Device("GPU-1")])
    assert seen(nvml) == ["MIG-a", "MIG-b", "GPU-1"]
    assert seen(nvml, frozenset({"MIG-b"})) == ["MIG-b"]
    assert seen(nvml, frozenset({"0"})) == ["MIG-a", "MIG-b"]


def test_only_the_cards_that_are_wanted_are_seen() -> None:
    nvml = FakeNvml([Device("GPU-0"), Device("GPU-1"), Device("GPU-2")])
    assert seen(nvml, frozenset({"GPU-2", "0"})) == ["GPU-0", "GPU-2"]


def test_a_card_without_memory_of_its_own_is_none_and_hides_no_other() -> None:
    assert seen(FakeNvml([Device("GPU-0", trouble=pynvml.NVMLError_NotSupported), Device("GPU-1")])) == [
        "GPU-1"
    ]


@pytest.mark.parametrize(
    "trouble",
    [pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded, pynvml.NVMLError_GpuIsLost],
)
def test_no_driver_is_no_card_and_one_that_comes_back_is_found(trouble: type[Exception]) -> None:
    nvml = FakeNvml([Device("GPU-0")], trouble=trouble)
    cards = NvmlCards(nvml=nvml)
    assert cards.read() == ()
    assert trouble.__name__ in cards.trouble
    nvml.trouble = None
    assert len(cards.read()) == 1
    assert cards.trouble == ""
    nvml.trouble = trouble
    assert cards.read() == ()
    nvml.trouble = None
    assert len(cards.read()) == 1
    assert nvml.inits == 3
    cards.close()
    assert nvml.shutdowns == 1


def test_this_machines_cards_are_read_by_the_real_library_if_it_has_any() -> None:
    cards = NvmlCards()
    for card in cards.read():
        assert 0 < card.used_bytes < card.total_bytes
    assert cards.trouble or cards.read()
    cards.close()
