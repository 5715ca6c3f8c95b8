"""What was picked for a run's `auto` by the worker that began it. One that goes on from its checkpoint takes the
same: another machine, or other free memory, would pick otherwise, and other micro-batches are another sum."""

import json
import os
from pathlib import Path
from typing import Any

from hone_trainer.tuning.settings import Resolved, Settings

_FILE = "picked.json"
_MOST_BYTES = 1 << 20


def earlier(checkpoints: Path) -> dict[str, Any]:
    """By setting; nothing where there is no checkpoint to go on from, or no such file that can be read."""
    try:
        if not any(each.is_dir() and not each.name.startswith(".") for each in checkpoints.iterdir()):
            return {}
        file = checkpoints / _FILE
        values = json.loads(file.read_bytes()) if file.stat().st_size <= _MOST_BYTES else {}
    except (OSError, ValueError):
        return {}
    if not isinstance(values, dict):
        return {}
    return {name: value for name, value in values.items() if name in Settings.model_fields}


def keep(checkpoints: Path, resolved: Resolved) -> None:
    """Beside the checkpoints, whole or not at all."""
    values = resolved.settings.model_dump(mode="json")
    picked = {name: values[name] for name, source in resolved.sources.items() if source == "auto"}
    checkpoints.mkdir(parents=True, exist_ok=True)
    part = checkpoints / f".{_FILE}.{os.getpid()}"
    part.write_text(json.dumps(picked, indent=1) + "\n", "utf-8")
    part.replace(checkpoints / _FILE)
