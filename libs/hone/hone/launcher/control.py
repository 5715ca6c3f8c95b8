"""`hone down`."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from hone.launcher.datafolder import DataFolder
from hone.launcher.errors import DidNotStop, LauncherError

# The gateway, the services and NATS in turn, each with the launcher's patience, and a little.
_GONE_WITHIN_S = 50


class NotAllowed(LauncherError):
    exit_code = 4

    def __init__(self, pid: int) -> None:
        super().__init__(f"process {pid} belongs to another user; ask them, or stop it as that user")


def down(data: DataFolder, patience_s: float = _GONE_WITHIN_S) -> int | None:
    """Stop what runs on the folder and wait until it is gone; returns its pid, or None when nothing ran."""
    if not data.is_held():
        return None
    pid = data.holder()
    if pid is not None:  # else a guard is cleaning up after a killed one, which is waited for just so
        try:
            with suppress(ProcessLookupError):  # it ended by itself just now
                os.kill(pid, signal.SIGTERM)
        except PermissionError as error:
            raise NotAllowed(pid) from error
    give_up_at = time.monotonic() + patience_s
    while data.is_held():
        if time.monotonic() > give_up_at:
            raise DidNotStop(pid or 0, patience_s)
        time.sleep(0.05)
    return pid or 0
