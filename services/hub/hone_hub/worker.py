"""A process for one piece of work on model files: ``python -m hone_hub.worker``.

Reads a ``Work`` from the first line of stdin and writes ``Told`` lines to stdout. It ends, and leaves nothing
half-written behind, when stdin closes: because the job was cancelled, or because the hub is gone.
"""

import hashlib
import io
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from hone_hub.error_bodies import body_of
from hone_hub.errors import HubError
from hone_hub.work import CheckpointWork, ConvertWork, InspectWork, RenderWork, Step, Told

_STEP_EVERY_S = 0.2
_CLEAN_UP_S = 10.0
_Work = ConvertWork | CheckpointWork | InspectWork | RenderWork
_WORK: TypeAdapter[_Work] = TypeAdapter(Annotated[_Work, Field(discriminator="kind")])


def main() -> int:
    # Unbuffered: a buffered reader would be locked by the thread below when the process ends.
    orders = io.FileIO(0)
    work = _WORK.validate_json(orders.readline())
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_stop_when_closed, args=[orders], daemon=True).start()
    try:
        _tell(Told(report=_do(work)))
    except HubError as error:
        _tell(Told(error=body_of(error)))
    except KeyboardInterrupt:
        return 1
    return 0


def _do(work: _Work) -> dict[str, Any]:
    if isinstance(work, ConvertWork):
        return _convert(work)
    if isinstance(work, CheckpointWork):
        from hone_hub.training.sound import check  # noqa: PLC0415 (each work needs its own part)

        return check(work.folder)
    from hone_hub.gguf import inspect, rendered  # noqa: PLC0415 (either work needs its own half)

    if isinstance(work, InspectWork):
        return inspect(work.path, others=work.others).model_dump(mode="json")
    return {"rendered": rendered(work.path, work.conversations, as_engine=work.as_engine)}


def _convert(work: ConvertWork) -> dict[str, Any]:
    from hone_hub.convert import ConversionProgress, Quant, convert  # noqa: PLC0415

    told_at = 0.0

    def tell(progress: ConversionProgress) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= _STEP_EVERY_S:
            told_at = time.monotonic()
            message = f"tensor {progress.tensors_done + 1} of {progress.tensors_total}: {progress.tensor}"
            done, total = progress.bytes_done, progress.bytes_total
            _tell(Told(step=Step(stage="convert", message=message, done=done, total=total)))

    report = convert(
        work.source,
        work.target,
        Quant(work.quantization),
        tell,
        force=work.overwrite,
        name=work.name,
        version=work.version,
    )
    size_bytes = report.size_bytes
    _tell(Told(step=Step(stage="digest", message=work.target.name, done=size_bytes, total=size_bytes)))
    return report.model_dump(mode="json") | {"sha256": _sha256(work.target)}


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _tell(told: Told) -> None:
    sys.stdout.write(told.model_dump_json(exclude_none=True) + "\n")
    sys.stdout.flush()


def _stop_when_closed(orders: io.FileIO) -> None:
    while orders.read(1):
        continue
    os.kill(os.getpid(), signal.SIGINT)  # unwinds the main thread, which removes its temporary file
    time.sleep(_CLEAN_UP_S)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
