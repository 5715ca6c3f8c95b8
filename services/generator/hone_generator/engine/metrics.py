"""What the engine counts. Requests may name any model, so only so many get a label of their own."""

from dataclasses import dataclass
from functools import cache

from prometheus_client import Counter, Gauge, Histogram

from hone_contracts.artifacts import Attempt
from hone_generator.engine.circuits import State

_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_MOST_LABELS = 200

ATTEMPTS = Counter("hone_attempts_total", "Attempts, by what came of them", ["model", "outcome", "code"])
ATTEMPT_SECONDS = Histogram("hone_attempt_seconds", "Time of an attempt", ["model"], buckets=_SECONDS)
FIRST_TOKEN_SECONDS = Histogram(
    "hone_first_token_seconds", "Time to a model's first token", ["model"], buckets=_SECONDS
)
TOKENS = Counter("hone_model_tokens_total", "Tokens read and written by models", ["model", "kind"])
COST = Counter("hone_model_cost_usd_total", "What models cost, where their price is known", ["model"])
CIRCUIT = Gauge("hone_circuit_open", "0 closed, 1 half-open, 2 open", ["model"])
SCORES = Histogram(
    "hone_answer_score",
    "Scores of the answers that were returned",
    ["artifact_type", "accepted"],
    buckets=(20, 40, 50, 60, 70, 80, 90, 100),
)
SHARED = Counter("hone_requests_shared_total", "Requests answered by an identical one in flight")

_labels: set[str] = set()


def label(model: str) -> str:
    if model not in _labels:
        if len(_labels) >= _MOST_LABELS or len(model) > 200:
            return "other"
        _labels.add(model)
    return model


@dataclass(frozen=True, slots=True)
class _OfModel:
    """A model's own counters, found once: finding them takes longer than counting."""

    seconds: Histogram
    first_token_seconds: Histogram
    prompt_tokens: Counter
    completion_tokens: Counter


@cache
def _of(model: str) -> _OfModel:
    return _OfModel(
        ATTEMPT_SECONDS.labels(model),
        FIRST_TOKEN_SECONDS.labels(model),
        TOKENS.labels(model, "prompt"),
        TOKENS.labels(model, "completion"),
    )


@cache
def _attempts(model: str, outcome: str, code: str) -> Counter:
    return ATTEMPTS.labels(model, outcome, code)


def count(attempt: Attempt) -> None:
    model = label(attempt.model)
    _attempts(model, attempt.outcome, attempt.error_code or "").inc()
    if attempt.outcome == "skipped":
        return
    own = _of(model)
    own.seconds.observe(attempt.latency_ms / 1000)
    if attempt.first_token_ms is not None:
        own.first_token_seconds.observe(attempt.first_token_ms / 1000)
    own.prompt_tokens.inc(attempt.prompt_tokens)
    own.completion_tokens.inc(attempt.completion_tokens)
    if attempt.cost_usd:
        COST.labels(model).inc(attempt.cost_usd)


def circuit(model: str, state: State) -> None:
    CIRCUIT.labels(label(model)).set({State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}[state])
