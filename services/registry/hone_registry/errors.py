"""Why the registry cannot do what was asked."""

from collections.abc import Mapping, Sequence

from hone_chassis import Permanent


class RegistryError(Permanent):
    """The request cannot be met, now or later."""


class NoSuchModel(RegistryError):
    def __init__(self, name: str, known: Sequence[str]) -> None:
        there_are = f"there are: {', '.join(known)}" if known else "there are none yet"
        super().__init__("no_such_model", "No such model", f"{name!r} is not registered; {there_are}", 404)
        self.name, self.known = name, tuple(known)


class NoSuchVersion(RegistryError):
    def __init__(self, model: str, called: str, known: Sequence[str]) -> None:
        there_are = f"there are: {', '.join(known[-20:])}" if known else "there are none yet"
        super().__init__("no_such_version", "No such version", f"{model} has no {called!r}; {there_are}", 404)


class NoRoute(RegistryError):
    def __init__(self, artifact_type: str) -> None:
        super().__init__(
            "no_route",
            "No route for this artifact type",
            f"nothing answers for {artifact_type}, so there is no model to train; name one (`--base`), or set a "
            "route (`hone routes apply FILE.yaml`)",
            404,
        )


class NotAModel(RegistryError):
    def __init__(self, reason: str) -> None:
        super().__init__("bad_model", "This names no model", reason, 422)


class NoWeights(RegistryError):
    def __init__(self, name: str, known: Sequence[str]) -> None:
        there_are = ", ".join(known) or "none"
        super().__init__(
            "no_weights",
            "The model has no file here",
            f"{name!r} would run in Hone's own process, and no file of it is registered; there are: {there_are}",
            422,
        )


class NotDeployed(RegistryError):
    def __init__(self, model: str, version: str, reason: str) -> None:
        why = f": {reason}" if reason else ""
        super().__init__(
            "not_deployed",
            "Nothing serves this version",
            f"{version} of {model} was never deployed{why}",
            409,
        )


class WhichType(RegistryError):
    def __init__(self, model: str, types: Sequence[str]) -> None:
        there_are = f"it has champions for {', '.join(types)}" if types else "it has no champion yet"
        super().__init__(
            "which_type", "For which artifact type?", f"{model}: {there_are}; name one (`--type`)", 422
        )


class NothingToRollBackTo(RegistryError):
    """``possible`` are the earlier champions that can be named."""

    def __init__(self, model: str, artifact_type: str, to: str | None, possible: Sequence[str]) -> None:
        asked = "it has no earlier champion" if to is None else f"{to!r} is none of its last champions"
        if to is None and possible:
            asked = "its earlier champions were rolled back themselves"
        can = f"possible: {', '.join(possible)} (`--to NAME`)" if possible else "there is none to go back to"
        super().__init__(
            "nothing_to_roll_back_to",
            "Nothing to roll back to",
            f"{model} for {artifact_type}: {asked}; {can}",
            409,
            {"possible": list(possible)},
        )
        self.possible = tuple(possible)


class ModelInUse(RegistryError):
    """``used_by`` are the routes that name each of the models."""

    def __init__(self, used_by: Mapping[str, Sequence[str]]) -> None:
        told = "; ".join(f"{name} answers for {', '.join(keys)}" for name, keys in used_by.items())
        super().__init__(
            "model_in_use",
            "The model is in use",
            f"{told}; let another model answer there first (`hone routes apply FILE.yaml`)",
            409,
            {"routes": {name: list(keys) for name, keys in used_by.items()}},
        )


class ShipsWithHone(RegistryError):
    def __init__(self, name: str) -> None:
        super().__init__(
            "ships_with_hone", "This model stays", f"{name} ships with Hone, and is not removed", 422
        )


class Removed(RegistryError):
    def __init__(self, name: str) -> None:
        super().__init__(
            "model_removed",
            "The model was removed",
            f"{name} was removed; `hone hub add` brings it back",
            409,
        )


class BadRegistry(RegistryError):
    """The text is refused as a whole. Each fault is where, and what is wrong there."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        where, reason = faults[0]
        others = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        super().__init__(
            "bad_registry",
            "The registry is not imported",
            f"{where + ': ' if where else ''}{reason}{others}; the registry is as it was",
            422,
            {"faults": [{"key": where, "reason": reason} for where, reason in faults]},
        )
        self.faults = tuple(faults)


class TooLargeToTell(RegistryError):
    def __init__(self, size_bytes: int, most: int) -> None:
        super().__init__(
            "registry_too_large",
            "The registry does not fit into one answer",
            f"it has {size_bytes} bytes, and an answer carries {most}; back up the registry's database instead",
            413,
        )
