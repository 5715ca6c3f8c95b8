"""Reads GGUF files as hostile input and says what they are."""

from .inspection import inspect, rendered
from .reader import read, read_file
from .report import GGUFReport

__all__ = ["GGUFReport", "inspect", "read", "read_file", "rendered"]
