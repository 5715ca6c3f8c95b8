"""The third phase: every form that the model took, on the same held-out tokens and the same general probes.

    base      as it was before
    champion  with the adapter that this run went on from, where it did
    trained   with the new adapter on the base in 4 bits, where it was trained so
    adapter   with the new adapter, unmerged, on the base in 16 or 32 bits
    merged    what was merged, rounded to the base's type
    shipped   the GGUF file, its weights as they are once it is quantized

A step that loses something shows by itself: what lies between two neighbours of this list is one step. The figures
stand in ``out/measured.json`` also where a loss is beyond its limit and ends the run.
"""

import gc
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from peft import PeftModel

from hone_trainer.finetune.events import Line
from hone_trainer.tuning import gguf_model, limits
from hone_trainer.tuning.base import Reading, load_model, load_tokenizer
from hone_trainer.tuning.data.tokenised import Tokenised, tokenise
from hone_trainer.tuning.errors import Cancelled, PhaseMissing
from hone_trainer.tuning.likelihood import Asked, Floats, log_likelihoods
from hone_trainer.tuning.limits import Variant
from hone_trainer.tuning.prepared import Prepared
from hone_trainer.tuning.probes import answer, probes
from hone_trainer.tuning.settings import Decided
from hone_trainer.tuning.shards import open_shards, tensors_of
from hone_trainer.tuning.spec import Spec

FILE = "measured.json"
GGUF = "model.gguf"
_BESIDE_WEIGHTS = 1.15  # activations, logits, and what the allocator keeps

Tell = Callable[[Line], None]


def measure(spec: Spec, tell: Tell, ending: Callable[[], bool]) -> dict[str, Any]:
    """The figures, as they stand in ``out/measured.json``. Raises TuningError."""
    prepared = Prepared.read(spec.out)
    for needed in (spec.out / "adapter", spec.out / "merged", spec.out / GGUF):
        if not needed.exists():
            raise PhaseMissing(needed)
    settings = prepared.settings
    torch.set_num_threads(settings.threads)
    dtype = _computed_in(spec.checkpoint, settings)
    scales = _scales(spec, prepared, tell, ending)
    found: dict[str, Variant] = {}
    if settings.four_bit:
        found["trained"] = _on_four_bits(spec, settings, scales)
        _free()
    _measure_adapters(spec, settings, dtype, scales, found)
    model = load_model(spec.out / "merged", settings.device, dtype)
    found["merged"] = scales.weigh("merged", model)
    filled = gguf_model.fill(model, spec.out / GGUF)
    found["shipped"] = scales.weigh("shipped", model)
    figures = _figures(found, scales, settings, dtype, filled)
    _write(spec.out / FILE, figures)
    limits.enforce(found, settings, filled.quantization)
    return figures


def _on_four_bits(spec: Spec, settings: Decided, scales: "_Scales") -> Variant:
    base = load_model(spec.checkpoint, settings.device, settings.dtype, four_bit=True)
    trained = PeftModel.from_pretrained(base, str(spec.out / "adapter")).eval()
    return scales.weigh("trained", trained, probing=False)


def _measure_adapters(
    spec: Spec, settings: Decided, dtype: str, scales: "_Scales", found: dict[str, Variant]
) -> None:
    """The base is loaded once, and let go before the merged model comes."""
    base = load_model(spec.checkpoint, settings.device, dtype)
    found["base"] = scales.weigh("base", base)
    if spec.adapter is not None:
        adapted = PeftModel.from_pretrained(base, str(spec.adapter), adapter_name="champion").eval()
        found["champion"] = scales.weigh("champion", adapted)
        adapted.load_adapter(str(spec.out / "adapter"), adapter_name="tuned")
        adapted.set_adapter("tuned")
    else:
        adapted = PeftModel.from_pretrained(base, str(spec.out / "adapter"))
    found["adapter"] = scales.weigh("adapter", adapted.eval())
    del base, adapted
    _free()


@dataclass(frozen=True)
class _Scales:
    """What every form is measured on, the same for all."""

    reading: Reading
    held_out: list[Asked]
    bad: list[Asked]
    old: list[Asked]
    tell: Tell
    ending: Callable[[], bool]

    def weigh(self, name: str, model: Any, *, probing: bool = True) -> Variant:
        """Raises Cancelled."""

        def telling(what: str, total: int) -> Callable[[int], None]:
            def step(done: int) -> None:
                if self.ending():
                    raise Cancelled
                self.tell(Line(stage="measuring", done=done, total=total, message=f"{name}: {what}"))

            return step

        def likely(sequences: list[Asked], what: str) -> list[Floats]:
            return log_likelihoods(model, sequences, self.reading.pad_id, telling(what, len(sequences)))

        held_out = likely(self.held_out, "held-out loss")
        bad = likely(self.bad, "answers that people were against") if self.bad else None
        old = likely(self.old, "old skills") if self.old else None
        if not probing:
            return Variant(held_out, None, old, bad)
        asked = probes()
        answers = sum(1 + len(each.wrong) for each in asked)
        answered = answer(model, self.reading, asked, telling("general probes", answers))
        return Variant(held_out, answered, old, bad)


def _scales(spec: Spec, prepared: Prepared, tell: Tell, ending: Callable[[], bool]) -> _Scales:
    reading = load_tokenizer(spec.checkpoint)
    held_out = Tokenised(prepared.held_out)
    liked, bad = _sides(held_out)
    old: list[Asked] = []
    if spec.probes is not None:
        most = prepared.settings.most_tokens

        def read(done: int, total: int) -> None:
            tell(Line(stage="measuring", done=done, total=total, message="reading rows of old skills"))

        old = _asked(
            tokenise(spec.probes, reading, kind="sft", most_tokens=most, cache=spec.cache, tell=read)
        )
    return _Scales(reading, liked, bad, old, tell, ending)


def _sides(data: Tokenised) -> tuple[list[Asked], list[Asked]]:
    """Answers to be likely, and those that people were against. Where all are of these, they are what there is to see
    a loss by."""
    asked = _asked(data)
    if data.labels is None or not data.labels.any():
        return asked, []
    sides = list(zip(asked, data.labels.tolist(), strict=True))
    return [each for each, liked in sides if liked], [each for each, liked in sides if not liked]


def _asked(data: Tokenised) -> list[Asked]:
    return [Asked(np.asarray(data.tokens(i)), np.asarray(data.trained(i))) for i in range(len(data))]


def _computed_in(base: Path, settings: Decided) -> str:
    """fp32 where it fits, so that no difference of two forms is one of the arithmetic; else as it was trained."""
    weights = sum(math.prod(each.shape) for each in tensors_of(open_shards(base)).values())
    on_card = settings.device == "cuda"
    free = torch.cuda.mem_get_info()[0] if on_card else psutil.virtual_memory().available
    return "fp32" if 4 * weights * _BESIDE_WEIGHTS < free else settings.dtype


def _free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _figures(
    found: dict[str, Variant], scales: _Scales, settings: Decided, dtype: str, filled: gguf_model.Filled
) -> dict[str, Any]:
    return {
        "variants": {name: each.figures() for name, each in found.items()},
        "limits": limits.judged(found, settings, filled.quantization),
        "held_out_sequences": len(scales.held_out),
        "held_out_tokens": sum(int(each.asked.sum()) for each in scales.held_out),
        "old_sequences": len(scales.old),
        "probes": len(probes()),
        "computed_in": dtype,
        "device": settings.device,
        "quantization": filled.quantization,
        "weights_by_type": filled.types,
    }


def _write(path: Path, figures: dict[str, Any]) -> None:
    unfinished = path.with_name(f".{path.name}.part")
    unfinished.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    unfinished.replace(path)
