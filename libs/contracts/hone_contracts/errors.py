"""How a failure travels: as a typed body, never as silence."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from hone_contracts.messages import DEFAULT_TENANT, Tenant


class ErrorBody(BaseModel):
    """Why something could not be done. ``code`` is stable for programs, ``detail`` tells a person what to do;
    ``fields`` are what more a program may want to know: the faults of a file, one by one."""

    model_config = ConfigDict(frozen=True)

    code: str
    title: str
    detail: str
    status: int = 500
    transient: bool = False
    fields: dict[str, Any] = {}


class Request(BaseModel):
    """A question to another service, answered at once."""

    model_config = ConfigDict(frozen=True)
    tenant: Tenant = DEFAULT_TENANT


class Reply(BaseModel):
    """The answer as plain data, or the error; never both."""

    model_config = ConfigDict(frozen=True)

    answer: dict[str, Any] | None = None
    error: ErrorBody | None = None
