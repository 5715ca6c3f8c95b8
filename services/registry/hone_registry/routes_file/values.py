"""The single values of a routes file. Each reader gives the value, or raises Wrong with what is expected."""

import re
from collections.abc import Callable, Collection
from collections.abc import Mapping as ReadOnly
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeVar, get_args

from hone_contracts.models import PROVIDERS, InvalidModelRef, ModelRef
from hone_contracts.registry import Reading
from hone_registry.routes_file.faults import Wrong, shown
from hone_registry.routes_file.tree import Items, Mapping, Node, Scalar

T = TypeVar("T")
N = TypeVar("N", int, float)
Read = Callable[[Node], T]

_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_WITH_ADDRESS = ("ollama", "openai")
_LONGEST_MODEL_BYTES = 300  # the whole table, before and after, is one message on the bus
_NOTHING = frozenset({"", "~", "null", "Null", "NULL"})
_WHOLE = re.compile(r"[+-]?[0-9][0-9_]{0,17}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,12}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})(?:[eE][+-]?[0-9]{1,2})?")
_DURATION = re.compile(r"(?:[0-9]{1,7}(?:\.[0-9]{1,6})?(?:ms|s|m|h))+")
_PART = re.compile(r"([0-9.]+)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class Registered:
    """The models that the registry knows, each with how it reads; ``removed`` were taken away again."""

    readings: ReadOnly[str, str]
    removed: frozenset[str] = frozenset()


def boolean(node: Node) -> bool:
    text = _plain(node, "true or false")
    if text.lower() not in _BOOLEANS:
        raise Wrong(node.line, f"{shown(text)} is neither true nor false")
    return _BOOLEANS[text.lower()]


def whole(low: int, high: int) -> Read[int]:
    def read(node: Node) -> int:
        expected = f"a whole number from {low} to {high}"
        text = _plain(node, expected)
        if not _WHOLE.fullmatch(text):
            raise Wrong(node.line, f"{shown(text)} is not {expected}")
        return _within(node, int(text.replace("_", "")), low, high)

    return read


def number(low: float, high: float) -> Read[float]:
    def read(node: Node) -> float:
        expected = f"a number from {low:g} to {high:g}"
        text = _plain(node, expected)
        if not _NUMBER.fullmatch(text):
            raise Wrong(node.line, f"{shown(text)} is not {expected}")
        return _within(node, float(text), low, high)

    return read


def duration(low_s: float, high_s: float) -> Read[float]:
    """Seconds, of ``500ms``, ``5s``, ``1m30s``, ``2h``. A number alone would be of what?"""

    def read(node: Node) -> float:
        text = _text(node, "a duration such as 5s")
        if len(text) > 40 or not _DURATION.fullmatch(text):
            raise Wrong(node.line, f"{shown(text)} is not a duration; write 500ms, 5s, 10m, 1h or 1m30s")
        seconds = sum(float(amount) * _SECONDS[unit] for amount, unit in _PART.findall(text))
        if not low_s <= seconds <= high_s:
            raise Wrong(node.line, f"{text} is not from {_spoken(low_s)} to {_spoken(high_s)}")
        return seconds

    return read


def reading(node: Node) -> Reading:
    text, known = _text(node, "a way of reading"), get_args(Reading)
    for each in known:
        if text == each:
            return each  # type: ignore[no-any-return]
    raise Wrong(node.line, f"{shown(text)} is none of {', '.join(known)}{did_you_mean(text, known)}")


def model(registered: Registered) -> Read[str]:
    """A model reference of a provider that there is; in-process models must be ``registered``, and none removed."""

    def read(node: Node) -> str:
        text = _text(node, "a model reference")
        if not text.isprintable():
            raise Wrong(node.line, f"{shown(text)} has characters in it that no model's name has")
        if len(text.encode()) > _LONGEST_MODEL_BYTES:
            raise Wrong(node.line, f"{shown(text)} is longer than {_LONGEST_MODEL_BYTES} bytes")
        try:
            ref = ModelRef.parse(text)
        except InvalidModelRef as error:
            raise Wrong(node.line, str(error)) from error
        if ref.provider not in PROVIDERS:
            there_are = f"there are {', '.join(PROVIDERS)}{did_you_mean(ref.provider, PROVIDERS)}"
            raise Wrong(node.line, f"{shown(ref.provider)} is no provider; {there_are}")
        if ref.base_url is not None and ref.provider not in _WITH_ADDRESS:
            raise Wrong(node.line, f"{ref.provider} takes no address; {' and '.join(_WITH_ADDRESS)} do")
        if str(ref) in registered.removed:
            raise Wrong(node.line, f"{shown(text)} was removed; `hone hub add` brings it back")
        if ref.provider == "llamacpp" and str(ref) not in registered.readings:
            there_are = ", ".join(
                name for name in sorted(registered.readings) if name.startswith("llamacpp:")
            )
            raise Wrong(node.line, f"{shown(text)} is not registered; there are: {there_are or 'none'}")
        return str(ref)

    return read


def cloud_model(name: Read[str]) -> Read[str]:
    def read(node: Node) -> str:
        reference = name(node)
        if ModelRef.parse(reference).provider in ("llamacpp", "ollama"):
            raise Wrong(node.line, f"{reference} is no cloud model; it belongs under fallbacks")
        return reference

    return read


def or_nothing(read: Read[T]) -> Read[T | None]:
    """None for ``null``: no limit."""

    def maybe(node: Node) -> T | None:
        if isinstance(node, Scalar) and not node.quoted and node.text in _NOTHING:
            return None
        return read(node)

    return maybe


def several(read: Read[T], most: int) -> Read[tuple[T, ...]]:
    """A list in which nothing stands twice. What is wrong with a part is said with its place."""

    def all_of(node: Node) -> tuple[T, ...]:
        if not isinstance(node, Items):
            raise Wrong(node.line, f"a list is expected here, not {_kind(node)}; write it in [ ]")
        if len(node.nodes) > most:
            raise Wrong(node.line, f"has {len(node.nodes)} entries; at most {most} are taken")
        found: list[T] = []
        for place, each in enumerate(node.nodes):
            try:
                value = read(each)
            except Wrong as error:
                raise Wrong(error.line, error.reason, f"[{place}]{error.key}") from error
            if value in found:
                raise Wrong(each.line, "stands twice in this list", f"[{place}]")
            found.append(value)
        return tuple(found)

    return all_of


def did_you_mean(text: str, known: Collection[str]) -> str:
    close = get_close_matches(text.lower(), known, n=1, cutoff=0.6) if len(text) <= 60 else []
    return f"; did you mean {close[0]}?" if close else ""


def _text(node: Node, expected: str) -> str:
    if not isinstance(node, Scalar):
        raise Wrong(node.line, f"{expected} is expected here, not {_kind(node)}")
    if not node.quoted and node.text in _NOTHING:
        raise Wrong(node.line, f"{expected} is missing here")
    return node.text


def _plain(node: Node, expected: str) -> str:
    text = _text(node, expected)
    if isinstance(node, Scalar) and node.quoted:
        raise Wrong(
            node.line, f"{shown(text)} is in quotes, and {expected} is expected; leave the quotes out"
        )
    return text


def _kind(node: Node) -> str:
    return {Items: "a list", Mapping: "a mapping of keys", Scalar: "a single value"}[type(node)]


def _within(node: Node, value: N, low: float, high: float) -> N:
    if not low <= value <= high:
        raise Wrong(node.line, f"{value} is not from {low} to {high}")
    return value


def _spoken(seconds: float) -> str:
    unit = next(unit for unit in ("h", "m", "s", "ms") if seconds >= _SECONDS[unit] or unit == "ms")
    return f"{seconds / _SECONDS[unit]:g}{unit}"
