"""`python -m hone_trainer.finetune --spec SPEC.json`

Fine-tunes a model of the starter's family on pairs of question and answer; see the package for files and output.
"""

import argparse
import signal
import sys
from pathlib import Path
from types import FrameType

from hone_trainer.errors import PackagesMissing, TrainerError
from hone_trainer.finetune import missing
from hone_trainer.finetune.errors import Cancelled
from hone_trainer.finetune.events import Line, Teller
from hone_trainer.finetune.spec import Spec


def main(arguments: list[str] | None = None) -> int:
    """0 with a result, 1 without, 143 where it was asked to end."""
    parser = argparse.ArgumentParser(
        prog="python -m hone_trainer.finetune", description=__doc__.split("\n\n")[1]
    )
    parser.add_argument("--spec", type=Path, required=True, help="what to do, as Spec.write writes it")
    options = parser.parse_args(arguments)
    teller, stop = Teller(), _Stop()
    try:
        figures = _finetune(Spec.read(options.spec), teller, stop)
    except Cancelled as error:
        teller.tell(Line(stage="cancelled", message=error.detail))
        return 143
    except TrainerError as error:
        teller.tell(Line(stage="failed", message=error.detail, error=error.body()))
        return 1
    teller.tell(Line(stage="finished", message="the model is written", figures=figures))
    return 0


def _finetune(spec: Spec, teller: Teller, stop: "_Stop") -> dict[str, object]:
    if packages := missing():
        raise PackagesMissing(packages)
    teller.tell(Line(stage="base", message="loading torch"))
    from hone_trainer.finetune.run import finetune  # noqa: PLC0415 - imports what was just looked for

    def tell(line: Line) -> None:
        stop.check()
        teller.tell(line)

    return finetune(spec, tell)


class _Stop:
    """Remembers that the process was asked to end, until it tells of its next step."""

    def __init__(self) -> None:
        self._asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._ask)

    def check(self) -> None:
        if self._asked:
            raise Cancelled

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True


if __name__ == "__main__":
    sys.exit(main())
