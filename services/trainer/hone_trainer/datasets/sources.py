"""Where dataset files come from: this machine, or S3-compatible storage (``s3://bucket/key``)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hone_trainer.datasets.errors import NoSuchFile, PackagesMissingForS3
from hone_trainer.datasets.local_copies import LocalCopies

Say = Callable[[str], None]


def fetched(name: str, *, copies: Path | None = None, say: Say = lambda _line: None) -> Path:
    """The file on this machine. What is fetched lies under ``copies``, and is used again while the store says that it
    is the same, or cannot be reached, which ``say`` tells. Raises DatasetError."""
    if not name.startswith("s3://"):
        path = Path(name.removeprefix("file://"))
        if not path.exists():
            raise NoSuchFile(path)
        return path
    try:
        # Loaded only here: most trainers read no bucket, and the client is an extra.
        from hone_trainer.datasets.s3 import fetched_from_s3  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise PackagesMissingForS3(error.name or "botocore") from error
    return fetched_from_s3(name, LocalCopies(copies), say)
