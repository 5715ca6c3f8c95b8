"""`python -m hone_trainer.tuning.rank --spec SPEC.json --told FOLDER`

One of several processes that train together, as torchrun starts it; `launching` reads what it tells.
"""

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from hone_contracts.errors import ErrorBody
from hone_trainer.errors import TrainerError
from hone_trainer.finetune.events import Line, Teller
from hone_trainer.tuning.errors import Cancelled
from hone_trainer.tuning.launching import CRASHED, end_with_parent
from hone_trainer.tuning.spec import Spec


def main() -> int:
    """Ends as `hone_trainer.tuning` does."""
    from hone_trainer.tuning.__main__ import Stop  # noqa: PLC0415 - its handlers are for a process, not for Ray

    parser = argparse.ArgumentParser(
        prog="python -m hone_trainer.tuning.rank", description=__doc__.split("\n\n")[1]
    )
    parser.add_argument("--spec", type=Path, required=True)
    parser.add_argument(
        "--told", type=Path, required=True, help="folder of the files that processes tell into"
    )
    options = parser.parse_args()
    end_with_parent()
    return work(options.spec, options.told / f"{os.environ['LOCAL_RANK']}.jsonl", Stop().asked)


def work(path: Path, told: Path, ending: Callable[[], bool]) -> int:
    """Train as one of several, and tell it into ``told``, in which the last line says how it ended."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before torch, as in `__main__`
    with told.open("w", encoding="utf-8") as stream:
        teller = Teller(stream)
        try:
            from hone_trainer.tuning.train import train  # noqa: PLC0415 - imports torch

            figures = train(Spec.read(path), teller.tell, ending)
        except Cancelled as error:
            teller.tell(Line(stage="cancelled", message=error.detail))
            return 143
        except TrainerError as error:
            teller.tell(Line(stage="failed", message=error.detail, error=error.body()))
            return 1
        except Exception as error:
            detail = f"process {os.environ.get('RANK', '?')}: {type(error).__name__}: {error}"[:1000]
            body = ErrorBody(code=CRASHED, title="The model was not tuned", detail=detail)
            teller.tell(Line(stage="failed", message=detail, error=body))
            raise
        teller.tell(Line(stage="finished", figures=figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
