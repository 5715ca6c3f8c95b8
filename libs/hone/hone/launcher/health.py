"""What each service says of itself: the local half of `hone status`."""

from __future__ import annotations

import http.client
from contextlib import suppress
from typing import Any

from hone.launcher.datafolder import RunState

_ANSWER_WITHIN_S = 2


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
