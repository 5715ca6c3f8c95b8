"""Complete routes of what a file says: each type takes what it does not say from ``default``, key by key, then from
Hone's own route of that type, then from the values that are built in.

A file whose ``default`` names a model speaks for every type. Otherwise the types that it does not name keep Hone's
own routes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hone_contracts.artifacts import ArtifactType
from hone_contracts.models import ModelRef
from hone_contracts.registry import DEFAULT_ROUTE, Route, RouteModel
from hone_registry.routes_file.entries import FileEntry, Settings, read_entries
from hone_registry.routes_file.faults import Faults
from hone_registry.routes_file.keys import reading_of
from hone_registry.routes_file.values import Registered

_MODEL, _READING, _FALLBACKS, _CLOUD = ("model",), ("reading",), ("fallbacks",), ("cloud",)
_NOTHING = FileEntry(1)


@dataclass(frozen=True)
class Own:
    """A route of the table to be. ``by_user`` is false for Hone's own, of which the file changes nothing."""

    route: Route
    by_user: bool


def routes_of(
    text: str, registered: Registered, hones_own: Mapping[ArtifactType, RouteModel]
) -> dict[str, Own]:
    """The whole table that the file ``text`` makes, by artifact type and ``default``.

    ``registered`` are the models that the registry knows, ``hones_own`` the routes that Hone brings. Raises
    BadRoutes with every fault.
    """
    faults = Faults()
    entries = read_entries(text, registered, faults)
    default = entries.get(DEFAULT_ROUTE, _NOTHING)
    table: dict[str, Own] = {}
    for key in _keys(entries, default, hones_own):
        entry = entries.get(key, _NOTHING) if key != DEFAULT_ROUTE else _NOTHING
        own = _settings(hones_own[ArtifactType(key)]) if key in hones_own else {}
        settings = _over(_over(own, default.settings), entry.settings)
        if _MODEL not in settings:
            if _MODEL not in entry.lines and _MODEL not in default.lines:  # else its fault is known
                faults.add(entry.line, key, "a model is missing: name one here or under default")
            continue
        settings.setdefault(_READING, reading_of(settings[_MODEL], registered))
        _without_itself(settings, entry, key, faults)
        _check_cloud(settings, (entry, default), key, faults)
        table[key] = Own(_route(key, settings), by_user=bool(entry.settings or default.settings))
    faults.refuse()
    return table


def _keys(
    entries: Mapping[str, FileEntry], default: FileEntry, hones_own: Mapping[ArtifactType, RouteModel]
) -> list[str]:
    """The types that get a route of their own, and ``default`` if it can be one."""
    named = [key for key in entries if key != DEFAULT_ROUTE]
    if _MODEL in default.settings:
        return [DEFAULT_ROUTE, *named]
    return [*named, *(key.value for key in hones_own if key not in entries)]


def _settings(model: RouteModel) -> Settings:
    return {_MODEL: model.model, _READING: model.reading}


def _over(lower: Settings, upper: Settings) -> Settings:
    """``upper`` where it says something. A reading belongs to its model: another model does not inherit it."""
    below = dict(lower)
    if _MODEL in upper:
        below.pop(_READING, None)
    return below | upper


def _without_itself(settings: Settings, entry: FileEntry, key: str, faults: Faults) -> None:
    """A route that inherits its fallbacks may be one of them; one that names them should not."""
    own = {"model": settings[_MODEL], "reading": settings[_READING]}
    fallbacks = settings.get(_FALLBACKS, ())
    if own not in fallbacks:
        return
    if _MODEL in entry.settings and _FALLBACKS in entry.settings:
        faults.add(entry.lines[_FALLBACKS], f"{key}.fallbacks", f"{own['model']} is the route's own model")
    settings[_FALLBACKS] = tuple(each for each in fallbacks if each != own)


def _check_cloud(settings: Settings, said: tuple[FileEntry, ...], key: str, faults: Faults) -> None:
    if settings.get(_CLOUD, False):
        return
    for field, names in (
        (_MODEL, [settings[_MODEL]]),
        (_FALLBACKS, [each["model"] for each in settings.get(_FALLBACKS, ())]),
    ):
        for name in names:
            if ModelRef.parse(name).is_cloud:
                line = next((entry.lines[field] for entry in said if field in entry.lines), said[0].line)
                reason = f"{name} is a cloud model, and the cloud may not be used here: set cloud: true"
                faults.add(line, f"{key}.{field[0]}", reason)


def _route(key: str, settings: Settings) -> Route:
    document: dict[str, Any] = {"artifact_type": key}
    for path, value in settings.items():
        level = document
        for part in path[:-1]:
            level = level.setdefault(part, {})
        level[path[-1]] = value
    return Route.model_validate(document)
