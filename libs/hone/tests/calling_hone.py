"""The `hone` command called inside a test."""

from collections.abc import Callable
from typing import NamedTuple


class Result(NamedTuple):
    code: int
    out: str
    err: str


Hone = Callable[..., Result]

GENERATE = ("generate", "--type", "mermaid_erd", "-r", "Each member has loans.")
