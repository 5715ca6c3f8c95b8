"""`python -m hone_trainer.starter --seed 1 --out DIR [--minutes N | --steps N] [--resume]`

Builds the starter model from nothing but a seed: corpus, tokenizer, training, Hugging Face folder (DIR/hf).
"""

import argparse
import logging
import sys
from pathlib import Path

from hone_trainer.starter.build import DEFAULT_STEPS, build
from hone_trainer.starter.errors import StarterError


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
    length.add_argument("--steps", type=int, help=f"train for so many steps (default {DEFAULT_STEPS})")
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint under --out")
    parser.add_argument("--threads", type=int, default=1, help="threads of the training process (default 1)")
    options = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr
    )
    try:
        folder = build(
            options.seed, options.out, steps=options.steps, minutes=options.minutes,
            resume=options.resume, threads=options.threads,
        )  # fmt: skip
    except StarterError as error:
        print(f"hone_trainer.starter: {error}", file=sys.stderr)  # noqa: T201 - a command's answer
        return 1
    print(folder)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
