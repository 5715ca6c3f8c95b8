"""What the gateway counts, beside what the chassis does."""

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

# ``route`` is the template (/api/jobs/{job_id}), or "none" where no route took the request: callers cannot
# make labels of their own.
REQUESTS = Counter("hone_http_requests_total", "HTTP requests answered", ["method", "route", "status"])
REQUEST_SECONDS = Histogram(
    "hone_http_request_seconds",
    "Time to the end of the answer, event streams left out",
    ["route"],
    buckets=_SECONDS,
)
JOBS = Counter("hone_jobs_total", "Jobs that came into a state", ["kind", "state"])
FEEDBACK = Counter("hone_feedback_total", "Feedback kept, by what of it counts most", ["kind"])
EVENT_STREAMS = Gauge("hone_event_streams", "Open event streams of jobs")
