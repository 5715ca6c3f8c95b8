"""How the service says no."""

from hone_chassis import Permanent
from hone_contracts.errors import ErrorBody
from hone_hub.error_bodies import body_of
from hone_hub.errors import HubError


class Refused(Permanent):
    """What was asked cannot be done, for the reason in ``body()``."""

    @classmethod
    def told(cls, body: ErrorBody) -> "Refused":
        refused = cls(body.code, body.title, body.detail, body.status, body.fields)
        refused.transient = body.transient  # for whoever has a job to try again
        return refused

    @classmethod
    def because(cls, error: HubError) -> "Refused":
        return cls.told(body_of(error))
