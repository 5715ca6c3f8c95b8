"""From a URI to a path that the hub may touch."""

import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hone_hub.errors import NotFileUri, OutsideRoots


class FileRoots:
    """The folders that were given to the hub."""

    def __init__(self, roots: Iterable[Path]) -> None:
        self._roots = tuple(_real(root) for root in roots)

    def path_of(self, uri: str) -> Path:
        """The path that a ``file://`` URI names, links resolved. Raises NotFileUri, OutsideRoots."""
        try:
            parts = urlsplit(uri)
        except ValueError as error:
            raise NotFileUri(uri) from error
        path = unquote(parts.path)
        local = parts.scheme == "file" and parts.netloc in ("", "localhost")
        if not local or not path.startswith("/") or "\0" in path or parts.query or parts.fragment:
            raise NotFileUri(uri)
        real = _real(Path(path))
        if not any(real.is_relative_to(root) for root in self._roots):
            raise OutsideRoots(real, self._roots)
        return real


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # Path.resolve raises where links go in a circle
