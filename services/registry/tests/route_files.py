"""Reading routes files in tests."""

import pytest

from hone_contracts.artifacts import ArtifactType
from hone_contracts.registry import (
    Route,
    RouteFault,
    RouteModel,
)
from hone_registry.routes_file import BadRoutes, Registered, routes_of

STARTER = "llamacpp:hone-starter"
HONES_OWN = {
    each: RouteModel(model=STARTER, reading="passages")
    for each in (ArtifactType.MERMAID_ERD, ArtifactType.SQL_DDL)
}
REGISTERED = Registered({STARTER: "passages", "llamacpp:other": "whole"}, frozenset({"ollama:gone"}))


def routes(text: str) -> dict[str, Route]:
    return {key: own.route for key, own in routes_of(text, REGISTERED, HONES_OWN).items()}


def faults(text: str) -> list[RouteFault]:
    with pytest.raises(BadRoutes) as caught:
        routes(text)
    return list(caught.value.faults)


def fault(text: str) -> RouteFault:
    [found] = faults(text)
    return found
