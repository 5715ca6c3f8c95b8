"""How long to wait before a model is asked again after a transport failure, or that it is not worth waiting."""

from collections.abc import Callable

from hone_generator.providers.errors import GenerationTimeout, ProviderError, RateLimited, StreamBroken

_FIRST_S = 0.25
_MOST_S = 8.0
_AFTER_S = 0.02  # the circuit that opened for the same time is half-open then
PATIENCE_S = 10.0
"""What is waited for one model while another could be asked."""


def wait_s(
    error: ProviderError, failures: int, *, left_s: float, others: bool, jitter: Callable[[], float]
) -> float | None:
    """Seconds before the next question to the same model after its ``failures``-th failure in a row; None to go on
    to the next model. ``left_s`` is the request's time, ``others`` whether there is a next model, ``jitter`` draws
    from 0..1.

    A model that let its time pass, or broke off in the middle, is not asked again while there is another one.
    """
    if not error.transient or (others and isinstance(error, GenerationTimeout | StreamBroken)):
        return None
    if isinstance(error, RateLimited) and error.retry_after_s is not None:
        wait = error.retry_after_s + _AFTER_S + jitter() * min(0.5, error.retry_after_s * 0.1)
    else:
        wait = min(_MOST_S, _FIRST_S * 2 ** min(failures - 1, 10)) * (0.5 + jitter() / 2)
    most = min(left_s, PATIENCE_S) if others else left_s
    return wait if wait < most else None
