"""Everything that decides what is trained, in one place."""

import json
from dataclasses import asdict, dataclass
from hashlib import sha256


@dataclass(frozen=True, slots=True)
class Recipe:
    """The shipped starter's settings. `steps` may be raised on a run that has not begun to decay."""

    seed: int = 1
    width: int = 192
    layers: int = 5
    heads: int = 6
    feed_forward: int = 512
    merges: int = 2400
    tokenizer_samples: int = 40_000
    shard_samples: int = 20_000
    row_length: int = 160  # tokens; the longest passages have some 150
    batch_rows: int = 32
    warmup_steps: int = 60
    decay_share: float = 0.7  # of all steps, at the end, linearly to nothing
    muon_lr: float = 0.01
    adam_lr: float = 0.003

    def fingerprint(self) -> str:
        return sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def pace(self, step: int, steps: int) -> float:
        """What the learning rates are multiplied with at `step` of `steps`: warm-up, stable, decay."""
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        left = steps - step
        return min(1.0, left / max(1.0, self.decay_share * steps))
