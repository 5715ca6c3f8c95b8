"""Which version of its models a request meets: a canary answers its share of them, chosen by the job's id.

The same job always meets the same version, however often it is delivered, and a job that meets a canary still
meets it when the share grows. Pure.
"""

import hashlib
from collections.abc import Iterator
from typing import Final

from hone_contracts.registry import CanaryVersion, Route, RouteModel
from hone_generator.served import as_served

_DIGEST_BYTES = 8
_DIGESTS: Final = 2.0 ** (8 * _DIGEST_BYTES)


def chosen(route: Route, job_id: str) -> Route:
    """The route as this job takes it. Where a canary is asked, its champion comes right after it: a canary that fails
    costs nobody the answer."""
    if route.canary is None and all(each.canary is None for each in route.fallbacks):
        return route
    first, *others = (model for each in route.local_models for model in _versions(each, job_id))
    return route.model_copy(update={**dict(first), "fallbacks": tuple(others)})


def champions(route: Route) -> Route:
    """The route without its canaries."""
    if route.canary is None and all(each.canary is None for each in route.fallbacks):
        return route
    first, *others = (each.model_copy(update={"canary": None}) for each in route.local_models)
    return route.model_copy(update={**dict(first), "fallbacks": tuple(others)})


def falls_to(canary: CanaryVersion, model: str, job_id: str) -> bool:
    """Whether the job is among the canary's share. Another canary has another share of the jobs."""
    told = f"{model} {canary.version} {job_id}".encode()
    digest = hashlib.blake2b(told, digest_size=_DIGEST_BYTES).digest()
    return int.from_bytes(digest) < canary.share * _DIGESTS


def _versions(named: RouteModel, job_id: str) -> Iterator[RouteModel]:
    if named.canary is None:
        yield named
        return
    if falls_to(named.canary, named.model, job_id):
        yield as_served(named.model, named.reading, named.canary)
    # It is a version that the registry keeps, as it has another: to be compared, its answers have to say so, too.
    yield named.model_copy(update={"canary": None, "served_by": named.served_by or named.model})
