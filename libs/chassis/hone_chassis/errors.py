"""How a handler says what kind of failure it met."""

from collections.abc import Mapping
from typing import Any

from hone_contracts.errors import ErrorBody


class HandlingError(Exception):
    """A message could not be handled."""

    transient: bool

    def __init__(
        self, code: str, title: str, detail: str, status: int = 500, fields: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(f"{title}: {detail}")
        self.code, self.title, self.detail, self.status = code, title, detail, status
        self.fields = dict(fields or {})

    def body(self) -> ErrorBody:
        return ErrorBody(
            code=self.code,
            title=self.title,
            detail=self.detail,
            status=self.status,
            transient=self.transient,
            fields=self.fields,
        )


class Transient(HandlingError):
    """It may work later: the message is delivered again, after a delay that doubles."""

    transient = True


class Permanent(HandlingError):
    """It will never work: the message becomes a dead letter and its job ends as failed with this reason."""

    transient = False


class BrokerUnavailable(Transient):
    def __init__(self, detail: str) -> None:
        super().__init__(
            "broker_unavailable",
            "NATS does not answer",
            f"{detail}. Check HONE_NATS_URL and nats-server.",
            503,
        )


class DatabaseUnavailable(Transient):
    def __init__(self, detail: str) -> None:
        super().__init__(
            "database_unavailable",
            "The database does not answer",
            f"{detail}. Check HONE_DATABASE_URL, the database server, and the disk.",
            503,
        )


class ServiceUnavailable(Transient):
    """Another service did not answer a request."""

    def __init__(self, subject: str, detail: str) -> None:
        super().__init__(
            "service_unavailable",
            "A service does not answer",
            f"{subject}: {detail}. `hone status` shows which one is down.",
            503,
        )


class RemoteError(Exception):
    """Another service answered a request with an error."""

    def __init__(self, body: ErrorBody) -> None:
        super().__init__(f"{body.title}: {body.detail}")
        self.body = body


class DatabaseNewer(Exception):
    """The database was written by a newer Hone."""

    def __init__(self, service: str, revision: str) -> None:
        super().__init__(
            f"the database of {service} is at revision {revision}, which this version does not know: "
            "start the newer Hone, or restore a backup"
        )
