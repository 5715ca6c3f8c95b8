"""The hub's errors as they travel: to the client of a job, or in answer to a request."""

import re

from hone_chassis import Permanent
from hone_contracts.errors import ErrorBody

from hone_hub.errors import (
    DiskFull,
    FileMissing,
    HubError,
    OutsideRoots,
    TargetExists,
    TookTooLong,
    WorkerDied,
)

_STATUS: dict[type[HubError], int] = {
    FileMissing: 404,
    OutsideRoots: 403,
    TargetExists: 409,
    DiskFull: 507,
    WorkerDied: 500,
    TookTooLong: 504,
}
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z]+")


class Refused(Permanent):
    """What was asked cannot be done, for the reason in ``body()``."""

    @classmethod
    def because(cls, error: HubError) -> "Refused":
        words = _WORDS.findall(type(error).__name__)  # NotGGUF: "not_gguf", "Not GGUF"
        title = " ".join([words[0], *(word if word.isupper() else word.lower() for word in words[1:])])
        code = "_".join(words).lower()
        return cls(code, title, " ".join(str(error).split()), _STATUS.get(type(error), 422))

    @classmethod
    def told(cls, body: ErrorBody) -> "Refused":
        return cls(body.code, body.title, body.detail, body.status)
