"""Which method fits a type's model, and what of it is missing here; found out without importing what it needs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hone_contracts.artifacts import ArtifactType
from hone_contracts.registry import Route
from hone_contracts.training import Method
from hone_trainer import finetune, tuning
from hone_trainer.errors import PackagesMissing, TrainerError

TRAIN_PACKAGES = ("torch", "transformers", "safetensors", "tokenizers")
"""What the ``train`` extra brings, and making the starter from nothing needs."""

METHODS: tuple[Method, ...] = ("few_shot", "full", "lora", "qlora", "kto")


def missing(method: Method) -> tuple[str, ...]:
    """Packages that a method needs and that are not installed here."""
    if method == "few_shot":
        return ()
    return finetune.missing() if method == "full" else tuning.missing(method)


@dataclass(frozen=True)
class Methods:
    """``configured`` is the policy's: a method, or ``auto``. ``trains_here`` is False for a coordinator that leaves
    training to workers elsewhere."""

    configured: str
    route: Callable[[ArtifactType], Route | None]
    trains_here: bool = True
    missing: Callable[[Method], Sequence[str]] = missing

    def of(self, artifact_type: ArtifactType) -> Method | None:
        """None as long as the route is not known that ``auto`` goes by."""
        for method in METHODS:
            if self.configured == method:
                return method
        route = self.route(artifact_type)
        if route is None:
            return None
        # Hone's own models are small enough to have all their weights changed, and too small to follow examples.
        return "full" if route.reading == "passages" else "few_shot"

    def check(self, method: Method) -> None:
        """Raises PackagesMissing."""
        if self.trains_here and (packages := self.missing(method)):
            raise PackagesMissing(packages)

    def trouble(self, artifact_type: ArtifactType) -> str | None:
        method = self.of(artifact_type)
        if method is None:
            return "the routing table is not known yet, which says what the type's model can learn by"
        try:
            self.check(method)
        except TrainerError as error:
            return str(error)
        return None
