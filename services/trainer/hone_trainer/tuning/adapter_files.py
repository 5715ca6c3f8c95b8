"""A folder with an adapter in peft's format, which a stranger may have made: what it changes, in plain LoRA's terms.

Only what merging knows how to repeat is let through: LoRA (Hu et al. 2021) on linear layers, with rsLoRA's scale
(Kalajdzievski 2023) or DoRA's magnitudes (Liu et al. 2024). An option that changes what the weights mean, known or
not, is refused by name rather than passed over.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from hone_trainer.tuning.errors import AdapterUnfit, FolderUnreadable
from hone_trainer.tuning.shards import plain_file, read_json

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
MOST_BYTES = 32 << 30  # rank 256 on all of 70 billion weights takes half of it
MOST_RANK = 4096
MOST_ALPHA = 1e6

_PART = re.compile(
    r"(?:base_model\.model\.)?(?P<module>.+)\.(?P<part>lora_A|lora_B|lora_magnitude_vector)(?:\.weight)?"
)
# Where text parts and heads stand, by the release that saved them: those differ, and the layers' names do not.
_PREFIX = re.compile(r"(?:model\.language_model|language_model\.model|language_model|model|transformer)\.")
# Say nothing about what the weights mean, once they are trained.
_MEANINGLESS = {
    "task_type", "peft_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision",
    "inference_mode", "r", "target_modules", "exclude_modules", "lora_alpha", "lora_dropout", "fan_in_fan_out",
    "use_rslora", "use_dora", "layers_to_transform", "layers_pattern", "rank_pattern", "alpha_pattern",
    "megatron_core", "loftq_config", "runtime_config", "qalora_group_size", "ensure_weight_tying",
}  # fmt: skip
# Starts that leave the base's weights as they are. PiSSA, OLoRA, CorDA and LoftQ change them.
_HARMLESS_STARTS = (True, False, "gaussian", "eva", "orthogonal")


@dataclass(frozen=True)
class Change:
    """What happens to one matrix: it becomes W + ``scale``·B·A, each output's row then brought to its magnitude.

    ``a``: [rank, inputs], ``b``: [outputs, rank], ``magnitude``: [outputs] or None; fp32. ``transposed``: the base
    keeps the matrix as [inputs, outputs].
    """

    module: str
    a: Tensor
    b: Tensor
    magnitude: Tensor | None
    scale: float
    transposed: bool

    @property
    def shape(self) -> tuple[int, int]:
        """Of the base's matrix."""
        outputs, inputs = self.b.shape[0], self.a.shape[1]
        return (inputs, outputs) if self.transposed else (outputs, inputs)


def plain_name(name: str) -> str:
    """A module's or tensor's name without what precedes it in one release of transformers and not in another."""
    return _PREFIX.sub("", name, count=1) if _PREFIX.match(name) else name


def read_changes(folder: Path) -> dict[str, Change]:
    """By the modules' plain names. Raises AdapterUnfit, FolderUnreadable."""
    config = read_json(folder, CONFIG)
    _check(folder, config)
    parts = _parts(folder, plain_file(folder, WEIGHTS))
    if not parts:
        raise AdapterUnfit(folder, "changes nothing")
    found = {plain_name(module): _change(folder, module, each, config) for module, each in parts.items()}
    if len(found) != len(parts):
        raise AdapterUnfit(folder, "changes a module under two names")
    return found


def _check(folder: Path, config: Mapping[str, Any]) -> None:
    if config.get("peft_type") != "LORA":
        raise AdapterUnfit(folder, f"is of the type {config.get('peft_type')!r}, and LoRA is known")
    if config.get("init_lora_weights", True) not in _HARMLESS_STARTS:
        start = str(config["init_lora_weights"])[:40]
        raise AdapterUnfit(folder, f"began with {start}, which changed the base's own weights")
    for name, value in config.items():
        plain = not value or (name == "bias" and value == "none") or name == "init_lora_weights"
        if name not in _MEANINGLESS and not plain:
            raise AdapterUnfit(folder, f"has {name[:80]} set, which merging does not know")
    for pattern in ("rank_pattern", "alpha_pattern"):
        found = config.get(pattern) or {}
        if not isinstance(found, dict) or not all(re.fullmatch(r"[\w.]{1,200}", each) for each in found):
            raise AdapterUnfit(folder, f"has a {pattern} that is no table of modules' names")


def _parts(folder: Path, path: Path) -> dict[str, dict[str, Tensor]]:
    parts: dict[str, dict[str, Tensor]] = {}
    if path.stat().st_size > MOST_BYTES:
        raise AdapterUnfit(folder, f"has more than {MOST_BYTES >> 30} GiB of weights")
    try:
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 - no mapping
                match = _PART.fullmatch(name)
                if match is None:
                    raise AdapterUnfit(
                        folder, f"holds {name[:200]}, which is no part of LoRA on a linear layer"
                    )
                tensor = file.get_tensor(name)
                if not tensor.is_floating_point() or not bool(torch.isfinite(tensor.float()).all()):
                    raise AdapterUnfit(folder, f"holds {name[:200]}, whose numbers are not all finite")
                if match["part"] in parts.setdefault(match["module"], {}):
                    raise AdapterUnfit(folder, f"holds {name[:200]} twice")
                parts[match["module"]][match["part"]] = tensor.float()
    except (SafetensorError, OSError, ValueError) as error:
        raise FolderUnreadable(path, f"is damaged: {error}") from error
    return parts


def _change(folder: Path, module: str, parts: Mapping[str, Tensor], config: Mapping[str, Any]) -> Change:
    a, b, magnitude = (parts.get(part) for part in ("lora_A", "lora_B", "lora_magnitude_vector"))
    if a is None or b is None or (magnitude is None) == bool(config.get("use_dora")):
        raise AdapterUnfit(folder, f"holds only some parts of {module[:200]}")
    fits = a.dim() == b.dim() == 2 and a.shape[0] == b.shape[1] and 1 <= a.shape[0] <= MOST_RANK
    if magnitude is not None:
        magnitude = magnitude.reshape(-1)
        fits = fits and magnitude.shape[0] == b.shape[0]
    if not fits:
        raise AdapterUnfit(folder, f"has parts of {module[:200]} that do not go together")
    rank, alpha = a.shape[0], _of(config, "alpha_pattern", module, config.get("lora_alpha"))
    if _of(config, "rank_pattern", module, config.get("r")) != rank:
        raise AdapterUnfit(folder, f"says another rank of {module[:200]} than its weights have, {rank}")
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha <= MOST_ALPHA:
        raise AdapterUnfit(folder, f"has the lora_alpha {str(alpha)[:40]}")
    scale = alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank
    return Change(module, a, b, magnitude, scale, bool(config.get("fan_in_fan_out")))


def _of(config: Mapping[str, Any], pattern: str, module: str, otherwise: Any) -> Any:
    """The first pattern that is the module's name or the end of it, as peft looks it up."""
    for name, value in (config.get(pattern) or {}).items():
        if module == name or module.endswith("." + name):
            return value
    return otherwise
