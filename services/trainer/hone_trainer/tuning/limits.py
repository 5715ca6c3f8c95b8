"""What a tuned model may lose on its way to the file that is served. A loss beyond its limit ends the run."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hone_trainer.tuning.errors import (
    ForgotTooMuch,
    FourBitsLose,
    MergeLoses,
    NotHealthy,
    QuantizationLoses,
    TuningError,
)
from hone_trainer.tuning.likelihood import Floats
from hone_trainer.tuning.probes import Answered, forgotten
from hone_trainer.tuning.settings import Decided

_BEYOND_CHANCE = 2.0
"""Standard errors of the mean by which old rows must have got worse."""


@dataclass(frozen=True)
class Variant:
    """One form of the model. ``likely``: of each held-out sequence its tokens' log likelihoods; ``old``: of rows of
    old skills; ``bad``: of answers that people were against. None where that was not measured."""

    likely: list[Floats]
    probes: Answered | None = None
    old: list[Floats] | None = None
    bad: list[Floats] | None = None

    @property
    def loss(self) -> float:
        return mean_loss(self.likely)

    def figures(self) -> dict[str, float | None]:
        """``loss`` in nats a trained token; ``perplexity`` is its exponential; ``probes`` the share that is right."""
        return {
            "loss": _finite(self.loss),
            "perplexity": _finite(math.exp(min(self.loss, 700.0))),
            "probes": None if self.probes is None else round(self.probes.share, 4),
            "probe_confidence": None if self.probes is None else _finite(self.probes.confidence),
            "old_skills_loss": None if self.old is None else _finite(mean_loss(self.old)),
            "disliked_loss": None if self.bad is None else _finite(mean_loss(self.bad)),
        }


def mean_loss(likely: list[Floats]) -> float:
    """Nats a token, each token alike."""
    return -float(np.concatenate(likely).mean())


def judged(found: Mapping[str, Variant], settings: Decided, quantization: str) -> list[dict[str, Any]]:
    """Of each limit what was lost and what may be: for the figures."""
    return [
        {"name": name, "lost": _finite(lost), "limit": limit, "kept": error is None}
        for name, lost, limit, error in _all(found, settings, quantization)
    ]


def enforce(found: Mapping[str, Variant], settings: Decided, quantization: str) -> None:
    """Raises the first that holds of NotHealthy, FourBitsLose, MergeLoses, QuantizationLoses, ForgotTooMuch."""
    for name, each in found.items():
        if not math.isfinite(each.loss):
            raise NotHealthy(
                f"the held-out loss of its {name} form is not finite; train again at a lower rate"
            )
    for _, _, _, error in _all(found, settings, quantization):
        if error is not None:
            raise error


def _all(
    found: Mapping[str, Variant], settings: Decided, quantization: str
) -> Iterable[tuple[str, float, float, TuningError | None]]:
    shipped, adapter, merged = found["shipped"].loss, found["adapter"].loss, found["merged"].loss
    if "trained" in found:
        trained, limit = found["trained"].loss, settings.quantization_tolerance
        lost = adapter - trained
        yield "leaving 4 bits", lost, limit, _beyond(lost, limit, FourBitsLose(trained, adapter, limit))
    lost, limit = merged - adapter, settings.merge_tolerance
    yield "merging", lost, limit, _beyond(lost, limit, MergeLoses(adapter, merged, limit))
    lost, limit = shipped - adapter, settings.quantization_tolerance
    error = QuantizationLoses(quantization, adapter, shipped, limit)
    yield "quantization", lost, limit, _beyond(lost, limit, error)
    yield from _forgetting(found, settings.forgetting_tolerance)


def _forgetting(
    found: Mapping[str, Variant], limit: float
) -> Iterable[tuple[str, float, float, TuningError | None]]:
    shipped = found["shipped"]
    before = found["base"].probes
    if before is not None and shipped.probes is not None:
        told = forgotten(before, shipped.probes, limit)
        yield "general probes", before.share - shipped.probes.share, limit, _forgot(told)
    told_of = found.get("champion", found["base"])
    if told_of.old is not None and shipped.old is not None:
        worse = mean_loss(shipped.old) - mean_loss(told_of.old)
        allowed = limit * max(1.0, mean_loss(told_of.old))
        yield "old skills", worse, allowed, _forgot(_unlearned(told_of.old, shipped.old, worse, allowed))


def _beyond(lost: float, limit: float, error: TuningError) -> TuningError | None:
    return None if lost <= limit else error  # so that NaN is beyond, too


def _forgot(told: str | None) -> TuningError | None:
    return None if told is None else ForgotTooMuch(told)


def _unlearned(before: list[Floats], after: list[Floats], worse: float, allowed: float) -> str | None:
    """In words; None where the loss rose less than is allowed, or rows differ so much that chance does as much."""
    rises = np.array([float(one.mean() - other.mean()) for one, other in zip(before, after, strict=True)])
    error = float(rises.std(ddof=1)) / math.sqrt(len(rises)) if len(rises) > 1 else 0.0
    if worse <= allowed or float(rises.mean()) <= _BEYOND_CHANCE * error:
        return None
    return (
        f"the loss of {len(rises)} rows of what it could before rises from {mean_loss(before):.4f} to "
        f"{mean_loss(after):.4f} nats a token"
    )


def _finite(value: float) -> float | None:
    """JSON knows no other numbers."""
    return round(value, 6) if math.isfinite(value) else None
