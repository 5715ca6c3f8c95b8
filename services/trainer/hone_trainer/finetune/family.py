"""What makes a model one of the starter's family, whatever file it lies in."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hone_trainer.finetune.errors import BaseUnsupported
from hone_trainer.finetune.gguf_file import Floats
from hone_trainer.starter.model import Shape
from hone_trainer.starter.tokenizer import Vocabulary

MAX_WEIGHTS = 16_000_000
"""Five starters: more are not trained in a minute of a CPU."""


@dataclass(frozen=True, slots=True)
class Described:
    """A model as its file tells it. Weights stand under their names in LlamaForCausalLM, q and k in its order."""

    shape: Shape
    vocabulary: Vocabulary
    weights: Mapping[str, Floats]


def expect(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Raises BaseUnsupported for the first key that says something else."""
    for key, value in wanted.items():
        if found.get(key) != value:
            told = repr(found.get(key))
            raise BaseUnsupported(path, f"has {told[:80]} for {key}, and the starter {str(value)[:80]!r}")


def shape_of(
    path: Path,
    numbers: Mapping[str, Any],
    vocabulary: int,
    *,
    names: Mapping[str, str],
    theta: str,
    epsilon: str,
) -> Shape:
    """The sizes under these names. Raises BaseUnsupported where they are none or too large."""
    sizes: dict[str, int] = {}
    for size, name in names.items():
        value = numbers.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 4096:
            raise BaseUnsupported(path, f"has {value!r} for {name}")
        sizes[size] = value
    reals = [numbers.get(theta), numbers.get(epsilon)]
    if not all(isinstance(real, float | int) and 0 < real < 1e12 for real in reals):
        raise BaseUnsupported(path, f"has {reals} for {theta} and {epsilon}")
    shape = Shape(vocabulary, **sizes, rope_theta=float(reals[0] or 0), norm_epsilon=float(reals[1] or 0))
    a_layer = 4 * shape.width**2 + 3 * shape.width * shape.feed_forward
    if shape.width % (2 * shape.heads) or shape.layers * a_layer + vocabulary * shape.width > MAX_WEIGHTS:
        raise BaseUnsupported(path, f"has the sizes {sizes}")
    return shape
