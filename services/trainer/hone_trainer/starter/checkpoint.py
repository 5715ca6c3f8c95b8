"""Checkpoints that are whole or absent, and refuse to go on with another recipe."""

import json
import shutil
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from hone_trainer.starter.errors import CheckpointDamaged, CheckpointMismatch
from hone_trainer.starter.recipe import Recipe

KEEP = 3
_STATE = "state.pt"
_MANIFEST = "manifest.json"


def identity(recipe: Recipe, corpus: str) -> dict[str, Any]:
    """What must be the same for a run to go on: settings, corpus, torch."""
    return {**asdict(recipe), "corpus": corpus, "torch": torch.__version__}


def save(folder: Path, step: int, state: dict[str, Any], who: dict[str, Any]) -> Path:
    """Write one checkpoint, the manifest last, and drop old ones."""
    path = folder / f"step-{step:07d}"
    path.mkdir(parents=True, exist_ok=True)
    torch.save(state, path / _STATE)
    manifest = {"step": step, "sha256": digest(path / _STATE), "identity": who}
    temporary = path / "manifest.tmp"
    temporary.write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    temporary.rename(path / _MANIFEST)
    for old in _complete(folder)[:-KEEP]:
        shutil.rmtree(old)
    return path


def load_newest(folder: Path, who: dict[str, Any]) -> dict[str, Any] | None:
    """The newest checkpoint whose bytes are right; None where there is none.

    Raises CheckpointMismatch where it was made by another recipe, CheckpointDamaged where none is whole.
    """
    paths = _complete(folder)
    for path in reversed(paths):
        manifest = json.loads((path / _MANIFEST).read_text(encoding="utf-8"))
        if digest(path / _STATE) != manifest["sha256"]:
            continue
        was = manifest["identity"]
        differing = {k: (was.get(k), who.get(k)) for k in {*was, *who} if was.get(k) != who.get(k)}
        if differing:
            raise CheckpointMismatch(path, differing)
        state: dict[str, Any] = torch.load(path / _STATE, weights_only=True)
        return state
    if paths:
        raise CheckpointDamaged(paths[-1])
    return None


def digest(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as file:
        result = sha256()
        while block := file.read(1 << 20):
            result.update(block)
    return result.hexdigest()


def _complete(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob(f"step-*/{_MANIFEST}"))
