"""The keys of a route: what each is called in the file, how it is read, and where it stands in a ``Route``."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hone_registry.routes_file import tree, values
from hone_registry.routes_file.faults import Wrong, shown
from hone_registry.routes_file.values import Read, Registered

MOST_FALLBACKS = 20
MOST_CLOUD_MODELS = 10


@dataclass(frozen=True)
class Value:
    """A key with a value. ``field`` is the path to it in a route's JSON."""

    field: tuple[str, ...]
    read: Read[Any]


Keys = Mapping[str, "Value | Keys"]
"""A key has a value, or keys of its own."""


def keys_of_a_route(registered: Registered) -> Keys:
    """The bounds are those of ``Route``, which has the last word."""
    model = values.model(registered)
    return {
        "model": Value(("model",), model),
        "reading": Value(("reading",), values.reading),
        "fallbacks": Value(("fallbacks",), values.several(_fallback(model, registered), MOST_FALLBACKS)),
        "enabled": Value(("enabled",), values.boolean),
        "threshold": Value(("threshold",), values.whole(0, 100)),
        "attempts_per_model": Value(("attempts_per_model",), values.whole(1, 10)),
        "best_of": Value(("best_of",), values.whole(1, 10)),
        "temperature": Value(("temperature",), values.number(0, 2)),
        "limits": {
            "connect": Value(("limits", "connect_s"), values.duration(0.001, 600)),
            "first_token": Value(("limits", "first_token_s"), values.duration(0.001, 3600)),
            "total": Value(("limits", "total_s"), values.duration(0.001, 3600)),
        },
        "deadline": Value(("budget", "deadline_s"), values.duration(0.001, 7200)),
        "budget": {
            "max_tokens": Value(("budget", "max_tokens"), values.or_nothing(values.whole(1, 10**12))),
            "max_cost_usd": Value(("budget", "max_cost_usd"), values.or_nothing(values.number(0, 10**6))),
        },
        "cloud": Value(("cloud",), values.boolean),
        "cloud_models": Value(
            ("cloud_models",), values.several(values.cloud_model(model), MOST_CLOUD_MODELS)
        ),
    }


def reading_of(model: str, registered: Registered) -> str:
    """How a model reads when the file does not say: as it is registered, and else as a general one does."""
    return registered.readings.get(model, "whole")


def _fallback(model: Read[str], registered: Registered) -> Read[dict[str, str]]:
    """``ollama:llama3.1:8b``, or with its reading ``{model: ollama:llama3.1:8b, reading: passages_schema}``."""
    readers: dict[str, Read[Any]] = {"model": model, "reading": values.reading}

    def read(node: tree.Node) -> dict[str, str]:
        if not isinstance(node, tree.Mapping):
            name = model(node)
            return {"model": name, "reading": reading_of(name, registered)}
        found: dict[str, str] = {}
        for entry in node.entries:
            if entry.key not in readers:
                known = f"a fallback has model and reading{values.did_you_mean(entry.key, readers)}"
                raise Wrong(entry.line, f"{shown(entry.key)} is no key here; {known}")
            try:
                found[entry.key] = readers[entry.key](entry.value)
            except Wrong as error:
                raise Wrong(error.line, error.reason, f".{entry.key}{error.key}") from error
        if "model" not in found:
            raise Wrong(node.line, "a fallback needs a model")
        return {"reading": reading_of(found["model"], registered), **found}

    return read
