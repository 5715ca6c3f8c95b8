"""A routes file read by the table of keys: for each artifact type what it says, and in which line."""

from dataclasses import dataclass, field
from typing import Any

from hone_contracts.artifacts import ArtifactType
from hone_contracts.registry import DEFAULT_ROUTE
from hone_registry.routes_file import tree
from hone_registry.routes_file.faults import Faults, Wrong, shown
from hone_registry.routes_file.keys import Keys, Value, keys_of_a_route
from hone_registry.routes_file.values import Registered, did_you_mean

TYPES = (DEFAULT_ROUTE, *(each.value for each in ArtifactType))

Settings = dict[tuple[str, ...], Any]
"""Values by their place in a route's JSON, as in ``("limits", "total_s")``."""


@dataclass
class FileEntry:
    """What the file says of one type. ``lines`` tells where each value stands, those with faults too."""

    line: int
    settings: Settings = field(default_factory=dict)
    lines: dict[tuple[str, ...], int] = field(default_factory=dict)


def read_entries(text: str, registered: Registered, faults: Faults) -> dict[str, FileEntry]:
    """Raises BadRoutes for text that cannot be read on; collects all other faults."""
    root = tree.read(text, faults)
    if not isinstance(root, tree.Mapping):
        faults.add(root.line, "", "a routes file is a mapping: an artifact type, a colon, its keys")
        faults.refuse()
        return {}
    keys, found = keys_of_a_route(registered), {}
    for entry in root.entries:
        if entry.key not in TYPES:
            meant = did_you_mean(entry.key, TYPES) or f"; there are {', '.join(TYPES)}"
            faults.add(entry.line, entry.key, f"{shown(entry.key)} is no artifact type{meant}")
            continue
        found[entry.key] = FileEntry(entry.line)
        _fill(found[entry.key], entry.value, keys, entry.key, faults)
    return found


def _fill(into: FileEntry, node: tree.Node, keys: Keys, path: str, faults: Faults) -> None:
    """``path`` is the key that ``node`` stands under. No deeper than the table of keys."""
    if not isinstance(node, tree.Mapping):
        faults.add(node.line, path, f"keys are expected here ({', '.join(keys)}); write {{}} for none")
        return
    for entry in node.entries:
        here = f"{path}.{entry.key}"
        known = keys.get(entry.key)
        if known is None:
            faults.add(entry.line, here, _unknown(entry.key, keys))
        elif isinstance(known, Value):
            into.lines[known.field] = entry.value.line
            try:
                into.settings[known.field] = known.read(entry.value)
            except Wrong as error:
                faults.add(error.line, f"{here}{error.key}", error.reason)
        else:
            _fill(into, entry.value, known, here, faults)


def _unknown(key: str, keys: Keys) -> str:
    if key == "<<":
        return "merge keys are not read; what types share stands under default"
    return f"{shown(key)} is no key here{did_you_mean(key, keys) or '; there are ' + ', '.join(keys)}"
