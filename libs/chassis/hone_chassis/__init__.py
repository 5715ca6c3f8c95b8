"""What every Hone service needs to run.

``Service`` declares, ``runtime.run`` runs; the rest are their parts: ``settings``, ``broker``, ``delivery``,
``handling`` (inbox and outbox around a handler), ``database``, ``migrations``, ``dead_letters``, ``rpc``,
``progress``, ``cancellations``, ``routes_table``, ``health``, ``metrics``, ``tracing``, ``logs``.
"""

from hone_chassis.errors import Permanent, RemoteError, ServiceUnavailable, Transient
from hone_chassis.handling import Outcome
from hone_chassis.outbox import announce
from hone_chassis.progress import ProgressPublisher
from hone_chassis.runtime import serve
from hone_chassis.service import Running, Service
from hone_chassis.settings import ServiceSettings

__all__ = [
    "Outcome",
    "Permanent",
    "ProgressPublisher",
    "RemoteError",
    "Running",
    "Service",
    "ServiceSettings",
    "ServiceUnavailable",
    "Transient",
    "announce",
    "serve",
]
