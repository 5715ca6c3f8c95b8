"""Full fine-tuning of the starter's family on corrected answers, in a process of its own.

`command(spec.write(path))` is that process, `missing()` says whether it could run here. It reads files and writes
files and knows no service. On its standard output it tells, one JSON object a line (`events.Line`), how far it is;
the last line is `finished`, `failed` with the error, or `cancelled`. What the spec calls `out` is there whole or
not at all:

    out/hf/             the model as a Hugging Face folder, which the hub converts
    out/metrics.jsonl   step, loss, held-back losses, learning rate, tokens a second
    out/run.json        all that is needed to repeat it: seed, settings, versions, digests

Nothing here imports torch before the process runs.
"""

import importlib.util
import sys
from pathlib import Path

PACKAGES = ("torch", "numpy", "safetensors", "tokenizers")
"""What fine-tuning needs of the ``train`` extra."""


def missing() -> tuple[str, ...]:
    """The packages that are not installed, found out without running any."""
    return tuple(name for name in PACKAGES if importlib.util.find_spec(name) is None)


def command(spec_path: Path) -> list[str]:
    """The process that does what the spec at this path says."""
    return [sys.executable, "-m", "hone_trainer.finetune", "--spec", str(spec_path)]
