"""Whether a folder can be trained and then converted, told by its headers before a run begins (in a worker)."""

from pathlib import Path
from typing import Any

from hone_hub.convert.checkpoint import Checkpoint
from hone_hub.convert.quantize import Quant
from hone_hub.convert.recipe import Recipe
from hone_hub.training.errors import CheckpointQuantized


def check(folder: Path) -> dict[str, Any]:
    """Raises HubError with what the converter would say after hours of training, or because it is quantized."""
    checkpoint = Checkpoint(folder)
    if (how := quantized(checkpoint.config)) is not None:
        raise CheckpointQuantized(str(folder), how)
    recipe = Recipe.read(checkpoint, Quant.F16, None)
    return {"parameters": recipe.plan.parameters, "architecture": recipe.architecture.gguf_name}


def quantized(config: dict[str, Any]) -> str | None:
    """How, by a config.json; ``quantization`` is MLX's word for it."""
    for key in ("quantization_config", "quantization"):
        told = config.get(key)
        if isinstance(told, dict):
            return str(told.get("quant_method") or told.get("bits") or "?")
    return None
