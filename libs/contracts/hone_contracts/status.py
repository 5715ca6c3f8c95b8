"""Asking a service how it is."""

from pydantic import BaseModel, ConfigDict

from hone_contracts.errors import Request


class AskStatus(Request):
    """Each service answers under a subject of its own: ``subjects.rpc(service, "status")``."""


class ServiceStatus(BaseModel):
    """What is wrong with a service, by what it needs; ready when nothing is."""

    model_config = ConfigDict(frozen=True)

    service: str
    troubles: dict[str, str]
