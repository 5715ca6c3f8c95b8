"""Prometheus metrics of the chassis, in the registry that ``/metrics`` shows."""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)

MESSAGES_HANDLED = Counter(
    "hone_messages_handled_total",
    "Messages handled, by how it went",
    ["subject", "outcome"],  # done, duplicate, retried, dead, interrupted
)
HANDLING_SECONDS = Histogram(
    "hone_message_handling_seconds", "Time from receipt to acknowledgement", ["subject"], buckets=_SECONDS
)
MESSAGES_IN_HAND = Gauge("hone_messages_in_hand", "Messages being handled now", ["subject"])
OUTBOX_SENT = Counter("hone_outbox_sent_total", "Messages the outbox relay published", ["subject"])
OUTBOX_LAG_SECONDS = Histogram(
    "hone_outbox_lag_seconds", "Time from commit to the broker's acknowledgement", buckets=_SECONDS
)
OUTBOX_FAILURES = Counter("hone_outbox_failures_total", "Rounds in which the relay could not publish")
REQUESTS_ANSWERED = Counter(
    "hone_requests_answered_total", "Requests from other services answered", ["subject", "outcome"]
)
