"""`python -m hone_trainer.starter --seed 1 --out DIR [--minutes N | --steps N] [--resume]`

Builds the starter model from nothing but a seed: corpus, tokenizer, training, Hugging Face folder (DIR/hf).
"""

import argparse
import importlib.util
import logging
import sys
from pathlib import Path

from hone_trainer.errors import PackagesMissing, TrainerError
from hone_trainer.training import TRAIN_PACKAGES


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m hone_trainer.starter", description=__doc__.split("\n\n")[1]
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="everything follows from it (default 1, the shipped one)"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for checkpoints, shards and the result"
    )
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, help="train for about so long instead of the shipped length")
    length.add_argument(
        "--steps", type=int, help="train for so many steps (by default as many as the shipped one)"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint under --out")
    parser.add_argument("--threads", type=int, default=1, help="threads of the training process (default 1)")
    options = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr
    )
    try:
        print(_build(options))  # noqa: T201 - a command's answer
    except TrainerError as error:
        print(f"hone_trainer.starter: {error}", file=sys.stderr)  # noqa: T201 - a command's answer
        return 1
    return 0


def _build(options: argparse.Namespace) -> Path:
    missing = [name for name in TRAIN_PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise PackagesMissing(missing)
    from hone_trainer.starter.build import build  # noqa: PLC0415 - imports what was just looked for

    return build(
        options.seed,
        options.out,
        steps=options.steps,
        minutes=options.minutes,
        resume=options.resume,
        threads=options.threads,
    )


if __name__ == "__main__":
    sys.exit(main())
