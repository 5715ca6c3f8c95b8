"""What was tried: every attempt in its order, whether it gave an answer or not."""

from dataclasses import dataclass, field
from typing import Final

from hone_contracts.artifacts import Attempt, AttemptKind, ValidatorResult
from hone_generator.engine import metrics
from hone_generator.engine.call import NO_ROOM, Meter
from hone_generator.engine.circuits import CircuitOpen
from hone_generator.engine.errors import OverBudget
from hone_generator.engine.plan import Candidate, Step
from hone_generator.engine.storable import line
from hone_generator.memory.errors import CardBusy, CardLeased, DoesNotFit
from hone_generator.mermaid import MermaidError
from hone_generator.providers.errors import ProviderError

Refusal = CircuitOpen | OverBudget | DoesNotFit | CardBusy | CardLeased
REFUSALS: Final = (CircuitOpen, OverBudget, *NO_ROOM)
"""The model is not asked now: no attempt of it counts, and its circuit hears nothing."""
Failure = ProviderError | MermaidError | Refusal


@dataclass(slots=True)
class Record:
    """Attempts of one request. ``prompt_version`` is what the models are told by."""

    prompt_version: str
    attempts: list[Attempt] = field(default_factory=list)

    def answered(
        self, who: Candidate, kind: AttemptKind, meter: Meter, took_s: float, score: int | None, *,
        validators: tuple[ValidatorResult, ...] = (),
    ) -> Attempt:  # fmt: skip
        return self._add(who, kind, meter, took_s, outcome="answered", score=score, validators=validators)

    def failed(
        self, who: Candidate, kind: AttemptKind, meter: Meter, took_s: float, error: Failure
    ) -> Attempt:
        code = "not_validated" if isinstance(error, MermaidError) else error.code
        return self._add(who, kind, meter, took_s, outcome="failed", error=line(str(error)), error_code=code)

    def skipped(self, who: Step, code: str, reason: str) -> Attempt:
        return self._add(who, "first", Meter(), 0.0, outcome="skipped", error=line(reason), error_code=code)

    def refused(self, who: Candidate, refusal: Refusal) -> Attempt:
        return self.skipped(who, refusal.code, str(refusal))

    def _add(self, who: Step, kind: AttemptKind, meter: Meter, took_s: float, **more: object) -> Attempt:
        attempt = Attempt.model_validate(
            {
                "number": len(self.attempts) + 1,
                "model": who.model,
                "version": who.version,
                "kind": kind,
                "prompt_version": self.prompt_version,
                "prompt_tokens": meter.prompt_tokens,
                "completion_tokens": meter.completion_tokens,
                "cost_usd": None if meter.cost_usd is None else round(meter.cost_usd, 8),
                "first_token_ms": None if meter.first_token_ms is None else round(meter.first_token_ms, 2),
                "latency_ms": round(took_s * 1000, 2),
            }
            | more
        )
        self.attempts.append(attempt)
        metrics.count(attempt)
        return attempt
