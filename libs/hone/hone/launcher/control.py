"""`hone down` and the local half of `hone status`."""

from __future__ import annotations

import http.client
import os
import signal
import time
from contextlib import suppress
from typing import Any

from hone.launcher.datafolder import DataFolder, RunState
from hone.launcher.errors import DidNotStop, LauncherError

# The gateway, the services and NATS in turn, each with the launcher's patience, and a little.
_GONE_WITHIN_S = 50
_ANSWER_WITHIN_S = 2


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
            os.kill(pid, signal.SIGTERM)
        except PermissionError as error:
            raise NotAllowed(pid) from error
        except ProcessLookupError:
            pass
    give_up_at = time.monotonic() + patience_s
    while data.is_held():
        if time.monotonic() > give_up_at:
            raise DidNotStop(pid or 0, patience_s)
        time.sleep(0.05)
    return pid or 0


def services_of(state: RunState) -> list[dict[str, Any]]:
    """Each service as its own port answers: name, pid, port, state, restarts, ready, detail."""
    answers = []
    for name, service in state.services.items():
        ready, detail = (False, "stays down after repeated crashes")
        if service["state"] != "stopped":
            ready, detail = _ask(service["port"])
        answers.append({"name": name, **service, "ready": ready, "detail": detail})
    return answers


def _ask(port: int) -> tuple[bool, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_WITHIN_S)
    try:
        connection.request("GET", "/health/ready")
        answer = connection.getresponse()
        detail = answer.read(2000).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return False, f"no answer: {error or type(error).__name__}"
    finally:
        with suppress(OSError):
            connection.close()
    return answer.status == 200, "" if answer.status == 200 else detail
