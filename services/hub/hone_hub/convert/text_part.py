"""A model that takes images too: of it the text part is converted, and the person is told."""

from __future__ import annotations

import re
from typing import ClassVar

from gguf import GGUFWriter

from ..convertible import text_part
from ..errors import ModelUnsupported, SourceInvalid
from .checkpoint import JsonObject
from .decoder import Decoder
from .plan import Plan
from .safetensors import Weight

# As transformers names them since version 4.52, and as it did before.
_OF_TEXT = re.compile(r"(?:model\.language_model|language_model\.model)\.(.+)")
_HEAD = ("lm_head.weight", "language_model.lm_head.weight")
_OF_IMAGES = re.compile(r"(?:model\.)?(?:vision_tower|multi_modal_projector)\.")


class TextPart(Decoder):
    """Comes before the family of the text in a class's bases."""

    text_type: ClassVar[str]

    def plan(self, config: JsonObject, weights: dict[str, Weight]) -> Plan:
        plan = super().plan(self._text(config), text_weights(weights))
        plan.warnings.append("of this model only the text part is converted: it will take no images")
        return plan

    def write_metadata(self, config: JsonObject, writer: GGUFWriter) -> None:
        super().write_metadata(self._text(config), writer)

    def _text(self, config: JsonObject) -> JsonObject:
        text = text_part(config)
        if text is config or text.get("model_type") != self.text_type:
            problem = f"the text part is of the type {text.get('model_type')!r}, not {self.text_type}"
            raise ModelUnsupported(problem, "look for a GGUF of this model")
        return text


def text_weights(weights: dict[str, Weight]) -> dict[str, Weight]:
    """Those of the text by the names that they have in a model of text alone; unknown ones as they are."""
    found: dict[str, Weight] = {}
    for name, weight in weights.items():
        if _OF_IMAGES.match(name):
            continue
        inner = _OF_TEXT.fullmatch(name)
        known = f"model.{inner[1]}" if inner else _HEAD[0] if name in _HEAD else name
        if known in found:
            raise SourceInvalid(f"the weights hold {known} twice", "download the model folder again")
        found[known] = weight
    return found
