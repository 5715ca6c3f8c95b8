"""What a GGUF header says, once it has been checked."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .format import TensorType, ValueType

Scalar = int | float | bool | str
Items = tuple[int, ...] | tuple[float, ...] | tuple[bool, ...] | list[str]


@dataclass(frozen=True)
class Field:
    """A key's value: `scalar`, or `items` of `item_type` when `type` is ARRAY."""

    type: ValueType
    offset: int
    scalar: Scalar | None = None
    item_type: ValueType | None = None
    items: Items = ()


@dataclass(frozen=True)
class Tensor:
    """`shape` in ggml's order: shape[0] is the length of a row. `offset` counts from the start of the data."""

    name: str
    shape: tuple[int, ...]
    type: TensorType
    offset: int

    @property
    def weights(self) -> int:
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        return self.weights // self.type.block * self.type.size_bytes


@dataclass(frozen=True)
class Header:
    version: int
    alignment: int
    fields: dict[str, Field]
    tensors: dict[str, Tensor]
    data_offset: int
    """Where tensor data begins, in bytes from the start of the file."""
    data_bytes: int
    file_bytes: int

    def text(self, key: str) -> str | None:
        field = self.fields.get(key)
        return field.scalar if field and isinstance(field.scalar, str) else None

    def integer(self, key: str) -> int | None:
        field = self.fields.get(key)
        if field is None or isinstance(field.scalar, bool) or not isinstance(field.scalar, int):
            return None
        return field.scalar

    def number(self, key: str) -> float | None:
        field = self.fields.get(key)
        if field is None or isinstance(field.scalar, bool) or not isinstance(field.scalar, int | float):
            return None
        return float(field.scalar)

    def flag(self, key: str) -> bool | None:
        field = self.fields.get(key)
        return field.scalar if field and isinstance(field.scalar, bool) else None

    def integers(self, key: str) -> tuple[int, ...] | None:
        """A number per layer, or one for all of them: as a tuple of either length."""
        if (single := self.integer(key)) is not None:
            return (single,)
        field = self.fields.get(key)
        if (
            field is None
            or field.type is not ValueType.ARRAY
            or not all(type(item) is int for item in field.items)
        ):
            return None
        return tuple(int(item) for item in field.items)

    def texts(self, key: str) -> list[str] | None:
        field = self.fields.get(key)
        return field.items if field and isinstance(field.items, list) else None

    @property
    def architecture(self) -> str | None:
        return self.text("general.architecture")
