"""Prometheus metrics of the cards, in the registry that ``/metrics`` shows."""

from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram

from hone_generator.memory.cards import Card

MEMORY_USED = Gauge("hone_gpu_memory_used_bytes", "Memory in use on the card, by whomever", ["card"])
MEMORY_FREE = Gauge("hone_gpu_memory_free_bytes", "Memory free on the card", ["card"])
MEMORY_TOTAL = Gauge("hone_gpu_memory_total_bytes", "Memory of the card", ["card"])
EVICTIONS = Counter("hone_gpu_evictions_total", "Models unloaded", ["reason"])  # room, context, lease
LOADS = Counter(
    "hone_gpu_loads_total", "Models loaded, by how it went", ["outcome"]
)  # whole, partly, out_of_memory, failed
REFUSALS = Counter("hone_gpu_refusals_total", "Models that could not have the card", ["code"])
LOAD_SECONDS = Histogram(
    "hone_gpu_load_seconds",
    "Time for loading a model",
    buckets=(0.1, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300),
)
LEASED = Gauge("hone_gpu_leased", "1 while a training run has the cards")


def show(cards: Iterable[Card]) -> None:
    for card in cards:
        MEMORY_USED.labels(card.uuid).set(card.used_bytes)
        MEMORY_FREE.labels(card.uuid).set(card.total_bytes - card.used_bytes)
        MEMORY_TOTAL.labels(card.uuid).set(card.total_bytes)
