"""One file from the hub to its place: resumed, verified, and fetched anew once when it turns out wrong."""

import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from hone_contracts.huggingface import RepositoryFile
from hone_hub.downloads.store import Store
from hone_hub.downloads.verified_file import VerifiedFile, new_digest
from hone_hub.huggingface.access import HubAccess
from hone_hub.huggingface.errors import (
    HubBroken,
    HubBusy,
    HubRefuses,
    HubUnreachable,
    WrongDigest,
    WrongLength,
)

_PAUSES_S = (1.0, 2.0, 4.0, 8.0)
"""Between tries at which nothing came. Whoever asks us tries again later, after longer pauses."""
_LONGEST_PAUSE_S = 60.0
_PIECE_BYTES = 4 << 20
_WRITTEN_AT_ONCE_BYTES, _WRITTEN_AFTER_S = 1 << 20, 0.1
_PARTIAL = 206
_NOTHING_MORE = 416  # HTTP's word for a range that begins where the file ends


class Stopped(Exception):
    """Another file's trouble ended the download."""


class Fetching:
    """Files of one repository, perhaps in several threads; ``done_bytes`` counts what is there of all of them."""

    def __init__(self, access: HubAccess, repository: str, revision: str, store: Store) -> None:
        self._access, self._repository, self._revision, self._store = access, repository, revision, store
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self.done_bytes = 0

    def stop(self) -> None:
        self._stopped.set()

    def fetch(self, file: RepositoryFile) -> None:
        """Raises HuggingFaceError, OSError, Stopped."""
        from huggingface_hub.utils._fixes import WeakFileLock  # noqa: PLC0415 (half a second, after the checks)

        blob = self._store.blob(file)
        with WeakFileLock(blob.with_suffix(".lock")):  # another replica's hub may have the same folder
            if self._is_there(file):
                self._count(file.size_bytes)
                return
            for try_number in range(2):
                if self._fetched(file):
                    self._store.publish(file)
                    return
                # What an earlier try left may be to blame.
                self._count(-self._store.part(file).stat().st_size)
                self._store.part(file).unlink()
                if try_number:
                    raise WrongDigest(self._repository, file.path)

    def _is_there(self, file: RepositoryFile) -> bool:
        blob = self._store.blob(file)
        if not blob.is_file():
            return False
        if self._store.is_verified(file):
            return True
        if blob.stat().st_size == file.size_bytes and _digest_of(blob, file) == (file.sha256 or file.blob_id):
            self._store.mark_verified(file)
            return True
        blob.unlink()
        return False

    def _fetched(self, file: RepositoryFile) -> bool:
        """Whether what is in the part file now has the right digest."""
        part = self._store.part(file)
        if part.exists() and part.stat().st_size > file.size_bytes:
            part.unlink()
        with VerifiedFile(part, file, self._count) as written:
            self._count(written.size_bytes)
            self._get(file, written)
            return written.is_right()

    def _get(self, file: RepositoryFile, written: VerifiedFile) -> None:
        """All that is missing. Tries again where it may help, and begins to count anew when something came."""
        pauses = list(_PAUSES_S)
        while written.size_bytes < file.size_bytes or file.size_bytes == 0:
            before = written.size_bytes
            try:
                self._get_on(file, written)
            except HubRefuses as error:
                if error.http_status == _NOTHING_MORE:
                    break
                raise
            except (HubBusy, HubBroken, HubUnreachable) as error:
                if written.size_bytes > before:
                    pauses = list(_PAUSES_S)
                told_s = error.retry_after_s if isinstance(error, HubBusy) else 0
                if not pauses or told_s > _LONGEST_PAUSE_S:
                    raise
                self._wait(max(pauses.pop(0), told_s))
            else:
                break
        if written.size_bytes != file.size_bytes:
            raise WrongLength(self._repository, file.path, file.size_bytes, written.size_bytes)

    def _get_on(self, file: RepositoryFile, written: VerifiedFile) -> None:
        """One answer of the hub, as far as it goes.

        The client's own ``http_get`` would wait as long as a server says, and write whatever comes.
        """
        from huggingface_hub import constants  # noqa: PLC0415
        from huggingface_hub.utils._headers import build_hf_headers  # noqa: PLC0415
        from huggingface_hub.utils._http import get_session, hf_raise_for_status  # noqa: PLC0415

        place = f"{self._repository}/resolve/{quote(self._revision, safe='')}/{quote(file.path)}"
        url = f"{self._access.endpoint}/{place}"
        headers = build_hf_headers(token=self._access.token_text, library_name="hone")
        headers["Accept-Encoding"] = "identity"  # what is compressed on the way cannot be resumed
        if written.size_bytes:
            headers["Range"] = f"bytes={written.size_bytes}-"
        session, silent_s = get_session(), constants.HF_HUB_DOWNLOAD_TIMEOUT
        with (
            self._access.asking(self._repository, self._revision, file.path),
            session.stream("GET", url, headers=headers, follow_redirects=True, timeout=silent_s) as response,
        ):
            hf_raise_for_status(response)
            if response.status_code != _PARTIAL and written.size_bytes:
                written.begin_anew()
            coming = _told_bytes(response.headers)
            if coming is not None and written.size_bytes + coming != file.size_bytes:
                raise WrongLength(self._repository, file.path, file.size_bytes, written.size_bytes + coming)
            # As they come from the line: to cut them to one size costs the client half of its time.
            pieces = (
                response.iter_raw() if coming is not None else response.iter_bytes(_WRITTEN_AT_ONCE_BYTES)
            )
            self._take(file, written, pieces)
        if written.size_bytes < file.size_bytes:
            raise HubBroken(self._access.endpoint, "it ended too early")

    def _take(self, file: RepositoryFile, written: VerifiedFile, pieces: Iterator[bytes]) -> None:
        """What comes, also before the connection breaks. Nothing beyond the end is written. Raises WrongLength."""
        gathered: list[bytes] = []
        size_bytes, since = 0, time.monotonic()
        try:
            for piece in pieces:
                size_bytes += len(piece)
                if (found := written.size_bytes + size_bytes) > file.size_bytes:
                    raise WrongLength(self._repository, file.path, file.size_bytes, found)
                gathered.append(piece)
                now = time.monotonic()
                if size_bytes >= _WRITTEN_AT_ONCE_BYTES or now - since > _WRITTEN_AFTER_S:
                    ready, gathered, size_bytes, since = gathered, [], 0, now
                    written.write(ready)
        finally:
            written.write(gathered)

    def _count(self, size_bytes: int) -> None:
        if self._stopped.is_set():
            raise Stopped
        with self._lock:
            self.done_bytes += size_bytes

    def _wait(self, pause_s: float) -> None:
        deadline = time.monotonic() + pause_s
        while time.monotonic() < deadline:
            if self._stopped.wait(0.1):
                raise Stopped


def _told_bytes(headers: Mapping[str, str]) -> int | None:
    """How much an answer says it brings; None where it says nothing, or brings it compressed all the same."""
    told = headers.get("Content-Length", "")
    return int(told) if told.isdecimal() and "Content-Encoding" not in headers else None


def _digest_of(path: Path, file: RepositoryFile) -> str | None:
    if file.sha256 is None and file.blob_id is None:
        return None
    digest = new_digest(file)
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
