"""A process that downloads files of one repository: ``python -m hone_hub.downloads.worker``.

Reads a ``DownloadWork`` from the first line of stdin and writes ``Told`` lines to stdout. It ends at once when stdin
closes: what was fetched stays, and the next one goes on from there.
"""

import errno
import io
import os
import shutil
import sys
import threading
import time
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path

from pydantic import SecretStr

from hone_contracts.huggingface import RepositoryFile
from hone_hub.downloads.fetching import Fetching, Stopped
from hone_hub.downloads.store import Store, check_named
from hone_hub.error_bodies import body_of
from hone_hub.errors import FileUnreadable, HubError
from hone_hub.huggingface.access import HubAccess
from hone_hub.huggingface.errors import NoSpace
from hone_hub.work import DownloadWork, Step, Told

_TELL_EVERY_S = 0.25


def download(work: DownloadWork) -> None:
    """Raises HubError."""
    check_named(work.repository, work.revision, work.files)
    store = Store(Path(work.folder), work.repository)
    store.blobs.mkdir(parents=True, exist_ok=True)
    _check_space(work, store)
    access = HubAccess(work.endpoint, SecretStr(work.token) if work.token else None)
    fetching = Fetching(access, work.repository, work.revision, store)
    threads = ThreadPoolExecutor(max_workers=work.parallel_files)
    # The largest first: they are what all wait for in the end.
    every = sorted(work.files, key=lambda file: -file.size_bytes)
    running = [threads.submit(fetching.fetch, file) for file in every]
    try:
        _follow(work, fetching, running)
    except BaseException:
        fetching.stop()
        # Nobody waits for the others: one may sit before a server that says nothing. They end with the process.
        threads.shutdown(wait=False, cancel_futures=True)
        raise
    for file in work.files:
        store.link(work.revision, file)


def _follow(work: DownloadWork, fetching: Fetching, running: list[Future[None]]) -> None:
    total = sum(file.size_bytes for file in work.files)
    pending = set(running)
    while pending:
        done, pending = wait(pending, timeout=_TELL_EVERY_S, return_when=FIRST_EXCEPTION)
        _raise_first(done, work, total - fetching.done_bytes)
        _tell(Told(step=_step(work.files, fetching, total)))
        free = shutil.disk_usage(work.folder).free
        if pending and free < work.spare_bytes:
            raise NoSpace(work.folder, total - fetching.done_bytes, free, work.spare_bytes)


def _raise_first(done: set[Future[None]], work: DownloadWork, left_bytes: int) -> None:
    """The reason, and not that others were stopped for it."""
    errors = [error for each in done if (error := each.exception()) is not None]
    errors.sort(key=lambda error: isinstance(error, Stopped))
    if errors and isinstance(errors[0], OSError) and errors[0].errno in (errno.ENOSPC, errno.EDQUOT):
        free = shutil.disk_usage(work.folder).free
        raise NoSpace(work.folder, left_bytes, free, work.spare_bytes) from errors[0]
    if errors:
        raise errors[0]


def _step(files: tuple[RepositoryFile, ...], fetching: Fetching, total: int) -> Step:
    name = files[0].path if len(files) == 1 else f"{len(files)} files"
    return Step(stage="download", message=name, done=min(fetching.done_bytes, total), total=total)


def _check_space(work: DownloadWork, store: Store) -> None:
    needed = sum(file.size_bytes - store.here_bytes(file) for file in work.files)
    free = shutil.disk_usage(work.folder).free
    if needed > 0 and free - needed < work.spare_bytes:
        raise NoSpace(work.folder, needed, free, work.spare_bytes)


def main() -> None:
    # Unbuffered: a buffered reader would be locked by the thread below when the process ends.
    orders = io.FileIO(0)
    work = DownloadWork.model_validate_json(orders.readline())
    threading.Thread(target=_end_when_closed, args=[orders], daemon=True).start()
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ.pop("HF_HUB_OFFLINE", None)
    started = time.monotonic()
    try:
        download(work)
        told = Told(report={"seconds": round(time.monotonic() - started, 3)})
    except HubError as error:
        told = Told(error=body_of(error))
    except OSError as error:
        told = Told(error=body_of(FileUnreadable(Path(work.folder), error)))
    _tell(told)


def _tell(told: Told) -> None:
    sys.stdout.write(told.model_dump_json(exclude_none=True) + "\n")
    sys.stdout.flush()


def _end_when_closed(orders: io.FileIO) -> None:
    while orders.read(1):
        continue
    os._exit(1)


if __name__ == "__main__":
    main()
