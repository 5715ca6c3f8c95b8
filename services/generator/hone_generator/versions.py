"""A version of a model that a request asks for: ``MODEL@2`` or ``MODEL@v2_20261125T223000Z``."""

import re
from collections.abc import Iterable, Iterator

from hone_chassis.errors import Permanent
from hone_contracts.registry import Model, ModelVersion, RouteModel, ServedVersion

# Model names may hold an @ of their own, hence a form that a version has.
_VERSIONED = re.compile(r"(?P<model>.+)@(?P<version>[0-9]{1,9}|v[0-9]{1,9}_[A-Za-z0-9]{1,40})")

CHAMPION = "champion"


def parted(wanted: str) -> tuple[str, str] | None:
    """The model and the version that are asked for; None where no version is."""
    match = _VERSIONED.fullmatch(wanted)
    return None if match is None else (match["model"], match["version"])


def version_named(model: Model, wanted: str, listed: Iterable[RouteModel]) -> ServedVersion:
    """By its number or name. ``listed`` are the models of the route, which know the examples of their versions.

    Raises Permanent: there is no such version, or none that a provider has.
    """
    found = next((each for each in model.versions if wanted in (str(each.version), each.name)), None)
    if found is None:
        there = ", ".join(each.name or str(each.version) for each in model.versions)
        detail = f"{model.name} has no version {wanted[:60]!r}; there are {there}"
        raise Permanent("no_such_version", "No such version", detail, 404)
    for served in _of_route(listed, model.name):
        if served.version == found.version:
            return served
    if found.method == "few_shot" or (found.origin == "run" and not (found.uri or found.served_by)):
        raise Permanent(
            "version_not_served",
            "This version cannot be asked by its name",
            f"version {wanted} of {model.name} is not deployed, or is examples that only a route holds: "
            f"`hone models show {model.name}` tells its state, and `hone models promote` puts it into the route",
            422,
        )
    return served_version(found)


def champion_of(model: Model, artifact_type: str) -> ModelVersion:
    """The version that answers for the type: its own champion, that of all types, else that of another type; where
    the registry names none, the oldest that its provider still has."""

    def rank(version: ModelVersion) -> tuple[bool, bool, bool, bool, int]:
        others = any(alias.startswith(f"{CHAMPION}:") for alias in version.aliases)
        own = f"{CHAMPION}:{artifact_type}" in version.aliases
        return own, CHAMPION in version.aliases, others, version.state != "superseded", -version.version

    return max(model.versions, key=rank)


def served_version(version: ModelVersion) -> ServedVersion:
    return ServedVersion(
        model_uri=version.uri or None,
        model_sha256=version.sha256 or None,
        version=version.version,
        served_by=version.served_by,
    )


def _of_route(listed: Iterable[RouteModel], model: str) -> Iterator[ServedVersion]:
    for each in listed:
        if each.model == model:
            yield from (each, each.canary) if each.canary is not None else (each,)
