"""LoRA, QLoRA and KTO in a process of their own: from rows and a base to an adapter, a merged model, and its figures.

`command(phase, spec.write(path))` is that process, `missing()` says whether it could run here. It reads files and
writes files and knows no service. On its standard output it tells, one JSON object a line (`finetune.events.Line`),
how far it is; the last line is `finished`, `failed` with the error, or `cancelled`. There are three phases, for
between them others have their turn (the hub compares prompts, and converts):

    prepare    reads the data and no weights: all that can be refused before time is spent
    train      two dry steps, the training with its checkpoints, the health check, the adapter, the merged model
    measure    base, champion, adapter, merged model and served file on the same held-out tokens

Nothing here imports torch before the process runs.
"""

import importlib.util
import sys
from pathlib import Path
from typing import Literal

PACKAGES = ("torch", "numpy", "safetensors", "tokenizers", "transformers", "peft", "gguf")
"""What every method needs of the ``train`` extra; ``qlora`` needs bitsandbytes as well."""

Phase = Literal["prepare", "train", "measure"]


def missing(method: str = "lora") -> tuple[str, ...]:
    """The packages that are not installed, found out without running any."""
    wanted = (*PACKAGES, "bitsandbytes") if method == "qlora" else PACKAGES
    return tuple(name for name in wanted if importlib.util.find_spec(name) is None)


def command(phase: Phase, spec_path: Path) -> list[str]:
    """The process that does what the spec at this path says."""
    return [sys.executable, "-m", "hone_trainer.tuning", phase, "--spec", str(spec_path)]
