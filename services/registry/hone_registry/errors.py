"""Why the registry cannot do what was asked."""

from collections.abc import Sequence

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
