"""The learning rate of each step: a warm-up, then a cosine. It has no state, so a resume cannot lose it."""

import math


def pace(step: int, total: int, *, warmup_share: float, min_rate_share: float) -> float:
    """The share of the highest rate at ``step``, 1 to ``total``. Cosine after Loshchilov & Hutter 2017."""
    warmup = round(total * warmup_share)
    if step <= warmup:
        return step / (warmup + 1)
    through = (step - warmup) / max(1, total - warmup)
    return min_rate_share + (1 - min_rate_share) * (1 + math.cos(math.pi * through)) / 2
