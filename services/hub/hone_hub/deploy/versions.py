"""What a version is called where it is served."""

import hashlib
import re

from hone_contracts.models import InvalidModelRef, ModelRef
from hone_contracts.training import PlannedVersion
from hone_hub.deploy.errors import BadModelName, BadVersionName

_VERSION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,79}")
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,59}")
_FOREIGN = re.compile(r"[^A-Za-z0-9._-]")
_DIGEST_CHARS = 8


def reference(planned: PlannedVersion) -> ModelRef:
    """The model that the version is one of. Raises BadModelName."""
    try:
        return ModelRef.parse(planned.model)
    except InvalidModelRef as error:
        raise BadModelName(planned.model, error.reason) from error


def version_name(planned: PlannedVersion) -> str:
    """Fit for a file's name and for a tag. Raises BadVersionName."""
    if not _VERSION.fullmatch(planned.name):
        raise BadVersionName(planned.name)
    return planned.name


def plain(name: str) -> str:
    """A model's name as one part of a path: its own where that is plain, else with a digest that keeps it apart."""
    if _PLAIN.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode(errors="replace")).hexdigest()[:_DIGEST_CHARS]
    return f"{_FOREIGN.sub('-', name).strip('.-')[:50] or 'model'}-{digest}"
