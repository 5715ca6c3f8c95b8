"""`python -m hone_trainer.tuning prepare|train|measure --spec SPEC.json`

Tunes a model by LoRA, QLoRA or KTO, phase by phase; see the package for files and output.
"""

import argparse
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from hone_trainer.errors import PackagesMissing, TrainerError
from hone_trainer.finetune.events import Line, Teller
from hone_trainer.tuning import launching, missing
from hone_trainer.tuning.errors import Cancelled
from hone_trainer.tuning.spec import Spec

_WORDS = {"prepare": "ready to train", "train": "the adapter is trained and merged", "measure": "measured"}


def main(arguments: list[str] | None = None) -> int:
    """0 with a result, 1 without, 143 where it was asked to end."""
    parser = argparse.ArgumentParser(
        prog="python -m hone_trainer.tuning", description=__doc__.split("\n\n")[1]
    )
    parser.add_argument("phase", choices=_WORDS)
    parser.add_argument("--spec", type=Path, required=True, help="what to do, as Spec.write writes it")
    options = parser.parse_args(arguments)
    teller, stop = Teller(), Stop()
    try:
        figures = _run(options.phase, options.spec, teller, stop)
    except Cancelled as error:
        teller.tell(Line(stage="cancelled", message=error.detail))
        return 143
    except TrainerError as error:
        teller.tell(Line(stage="failed", message=error.detail, error=error.body()))
        return 1
    teller.tell(Line(stage="finished", message=_WORDS[options.phase], figures=figures))
    return 0


def _run(phase: str, path: Path, teller: Teller, stop: "Stop") -> dict[str, Any]:
    spec = Spec.read(path)
    if packages := missing(spec.method):
        raise PackagesMissing(packages)
    # Set before torch is imported, or they do nothing: cuBLAS repeats itself only with a workspace of its own.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if phase == "train" and launching.is_wanted(spec.resolved().settings):
        return launching.launch(spec, path, teller.tell, stop.asked)
    teller.tell(Line(stage="base", message="loading torch"))
    return _phase(phase)(spec, teller.tell, stop.asked)


def _phase(phase: str) -> Callable[..., dict[str, Any]]:
    """Each imports what was just looked for."""
    if phase == "prepare":
        from hone_trainer.tuning.prepare import prepare  # noqa: PLC0415

        return prepare
    if phase == "train":
        from hone_trainer.tuning.train import train  # noqa: PLC0415

        return train
    from hone_trainer.tuning.measure import measure  # noqa: PLC0415

    return measure


class Stop:
    """Remembers that the process was asked to end, until it looks between two steps."""

    def __init__(self) -> None:
        self._asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def asked(self) -> bool:
        return self._asked

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True


if __name__ == "__main__":
    sys.exit(main())
