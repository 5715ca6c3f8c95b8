"""A process that asks a hub: ``python -m hone_hub.huggingface.worker``. The client of the hub, and the headers that
strangers wrote, stay out of the service.

Reads an ``AskHubWork`` from the first line of stdin, writes one ``Told`` line, and ends at once when stdin closes.
"""

import io
import os
import sys
import threading
from typing import Any

from pydantic import SecretStr

from hone_contracts.huggingface import FoundModels, SearchModels
from hone_hub.error_bodies import body_of
from hone_hub.errors import HubError
from hone_hub.huggingface.access import HubAccess
from hone_hub.work import AskHubWork, FindCheckpoint, Told


def main() -> None:
    orders = io.FileIO(0)
    work = AskHubWork.model_validate_json(orders.readline())
    threading.Thread(target=_end_when_closed, args=[orders], daemon=True).start()
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ.pop("HF_HUB_OFFLINE", None)
    try:
        told = Told(report=_answer(work))
    except HubError as error:
        told = Told(error=body_of(error))
    sys.stdout.write(told.model_dump_json(exclude_none=True) + "\n")
    sys.stdout.flush()


def _answer(work: AskHubWork) -> dict[str, Any]:
    access = HubAccess(work.endpoint, SecretStr(work.token) if work.token else None)
    access.check_reachable()
    if isinstance(work.question, SearchModels):
        from hone_hub.huggingface.search import search  # noqa: PLC0415 (each question needs its own part)

        models = search(access, work.question.query, work.question.limit)
        return FoundModels(models=tuple(models)).model_dump(mode="json")
    if isinstance(work.question, FindCheckpoint):
        from hone_hub.huggingface.checkpoint import find  # noqa: PLC0415

        return find(access, work.question).model_dump(mode="json")
    from hone_hub.huggingface.looking import Looking  # noqa: PLC0415

    report = Looking(access, work.places, work.header_seconds).look(work.question)
    return report.model_dump(mode="json")


def _end_when_closed(orders: io.FileIO) -> None:
    while orders.read(1):
        continue
    os._exit(1)


if __name__ == "__main__":
    main()
