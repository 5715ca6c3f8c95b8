"""The `hone` command and the single-machine launcher."""

__version__ = "0.1.0"
