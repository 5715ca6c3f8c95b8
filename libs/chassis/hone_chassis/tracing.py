"""OpenTelemetry traces, carried from service to service in message headers (W3C trace context)."""

from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import propagate, trace
from opentelemetry.context import Context

_TRACER = "hone"


def configure(service: str, endpoint: str | None) -> None:
    """Send spans to an OTLP/HTTP collector. Without an endpoint nothing is imported, recorded or sent."""
    if endpoint is None:
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = TracerProvider(resource=Resource.create({"service.name": f"hone-{service}"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces")))
    trace.set_tracer_provider(provider)


def flush() -> None:
    """Send what is still waiting. Called once, at the end of the process."""
    shutdown = getattr(trace.get_tracer_provider(), "shutdown", None)
    if shutdown is not None:
        shutdown()


def headers() -> dict[str, str]:
    """The current span's context, to travel with a message; empty outside a recorded span."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier


@contextmanager
def span(name: str, carrier: dict[str, str] | None = None, **attributes: str | int) -> Iterator[None]:
    """A span, child of the one ``carrier`` names or of the current one."""
    parent: Context | None = propagate.extract(carrier) if carrier else None
    with trace.get_tracer(_TRACER).start_as_current_span(name, context=parent, attributes=attributes):
        yield
