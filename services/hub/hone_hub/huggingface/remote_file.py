"""The beginning of a file on a hub, fetched as it is read."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from hone_contracts.huggingface import RepositoryFile
from hone_hub.huggingface.access import HubAccess
from hone_hub.huggingface.errors import HubBroken, HubSaysNonsense

_FIRST_BYTES = 512 << 10
_MOST_AT_ONCE_BYTES = 8 << 20
_TIMEOUT_S = 20.0
_PARTIAL, _WHOLE = 206, 200


@dataclass
class Budget:
    """How many bytes headers may cost in all."""

    left_bytes: int

    def spend(self, size_bytes: int) -> None:
        """Raises BudgetSpent."""
        self.left_bytes -= size_bytes
        if self.left_bytes < 0:
            raise BudgetSpent


class BudgetSpent(Exception):
    """Enough was read; what is not known yet stays unknown."""


class RemoteFile:
    """A ``ByteStream`` for ``hone_hub.gguf.reader.read``. Pieces double, so that long headers take few requests.

    A hub that knows no ranges sends everything: no more of it is taken than was asked for.
    """

    def __init__(
        self, access: HubAccess, repository: str, revision: str, file: RepositoryFile, budget: Budget
    ) -> None:
        place = f"{repository}/resolve/{quote(revision, safe='')}/{quote(file.path)}"
        self._access, self._repository, self._revision, self._file = access, repository, revision, file
        self._url, self._budget = f"{access.endpoint}/{place}", budget
        self._at = 0
        self._buffer, self._next_bytes = b"", _FIRST_BYTES

    def read(self, size: int, /) -> bytes:
        """Raises HuggingFaceError, BudgetSpent."""
        if not self._buffer:
            wanted = min(max(size, self._next_bytes), self._file.size_bytes - self._at)
            if wanted <= 0:
                return b""
            self._budget.spend(wanted)
            self._buffer = self._fetch(wanted)
            self._next_bytes = min(2 * self._next_bytes, _MOST_AT_ONCE_BYTES)
        taken, self._buffer = self._buffer[:size], self._buffer[size:]
        self._at += len(taken)
        return taken

    def _fetch(self, wanted: int) -> bytes:
        from huggingface_hub.utils._headers import build_hf_headers  # noqa: PLC0415
        from huggingface_hub.utils._http import get_session, hf_raise_for_status  # noqa: PLC0415

        headers = build_hf_headers(token=self._access.token_text, library_name="hone")
        headers |= {"Range": f"bytes={self._at}-{self._at + wanted - 1}", "Accept-Encoding": "identity"}
        session: Any = get_session()
        with (
            self._access.asking(self._repository, self._revision, self._file.path),
            session.stream(
                "GET", self._url, headers=headers, follow_redirects=True, timeout=_TIMEOUT_S
            ) as response,
        ):
            hf_raise_for_status(response)
            if response.status_code not in (_PARTIAL, _WHOLE):
                raise HubSaysNonsense(self._access.endpoint, f"status {response.status_code} for a range")
            skip = self._at if response.status_code == _WHOLE else 0
            return self._taken(response, skip, wanted)

    def _taken(self, response: Any, skip: int, wanted: int) -> bytes:
        found = bytearray()
        for piece in response.iter_raw():
            found += piece[skip:]
            skip = max(0, skip - len(piece))
            if len(found) >= wanted:
                break
        if not found:
            raise HubBroken(self._access.endpoint, "it sends nothing")
        return bytes(found[:wanted])
