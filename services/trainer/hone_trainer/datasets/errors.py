"""Why a dataset cannot be read or written as a whole. What is wrong with a row is a finding, not an error."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

Kind = Literal["wrong_input", "not_found", "not_authorised", "unavailable"]


class DatasetError(Exception):
    """The text says what to do next."""

    kind: Kind = "wrong_input"


class NoSuchFile(DatasetError):
    kind = "not_found"

    def __init__(self, path: Path | str) -> None:
        super().__init__(f"there is no file {path}; check the name")
        self.path = path


class Unreadable(DatasetError):
    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"cannot read {path}: {reason}")
        self.path, self.reason = path, reason


class UnknownFormat(DatasetError):
    def __init__(self, known: tuple[str, ...]) -> None:
        super().__init__(
            f"cannot tell the format from the first rows; name it: one of {', '.join(known)} (--format)"
        )
        self.known = known


class NotRepresentable(DatasetError):
    """The format has no place for something that the row holds."""

    def __init__(self, number: int, what: str, format_name: str) -> None:
        super().__init__(f"row {number} has {what}, which the format {format_name} cannot hold; use messages")
        self.number, self.what, self.format = number, what, format_name


class WouldOverwrite(DatasetError):
    def __init__(self, out: Path, what: Path) -> None:
        super().__init__(f"{out} would overwrite {what}; name another file for the repaired copy")
        self.out, self.what = out, what


class PackagesMissingForS3(DatasetError):
    kind = "unavailable"

    def __init__(self, missing: str) -> None:
        super().__init__(
            f"reading s3:// needs {missing}, which is not installed: pip install 'hone-trainer[s3]'"
        )
        self.missing = missing
