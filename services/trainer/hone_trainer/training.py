"""Which method fits a type's model, and what of it is missing here; found out without importing what it needs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hone_contracts.artifacts import ArtifactType
from hone_contracts.registry import Route
from hone_contracts.training import Method
from hone_trainer import finetune
from hone_trainer.errors import NotThereYet, PackagesMissing, TrainerError

TRAIN_PACKAGES = ("torch", "transformers", "safetensors", "tokenizers")
"""What the ``train`` extra brings, and making the starter from nothing needs."""

BUILT: tuple[Method, ...] = ("few_shot", "full")


@dataclass(frozen=True)
class Methods:
    """``configured`` is the policy's: a method, or ``auto``. ``trains_here`` is False for a coordinator that leaves
    training to workers elsewhere."""

    configured: str
    route: Callable[[ArtifactType], Route | None]
    trains_here: bool = True
    missing: Callable[[], Sequence[str]] = finetune.missing

    def of(self, artifact_type: ArtifactType) -> Method | None:
        """None as long as the route is not known that ``auto`` goes by."""
        for method in BUILT:
            if self.configured == method:
                return method
        route = self.route(artifact_type)
        if route is None:
            return None
        # Hone's own models are small enough to have all their weights changed, and too small to follow examples.
        return "full" if route.reading == "passages" else "few_shot"

    def check(self, method: Method) -> None:
        """Raises NotThereYet, PackagesMissing."""
        if method not in BUILT:
            raise NotThereYet(method)
        if method == "full" and self.trains_here and (missing := self.missing()):
            raise PackagesMissing(missing)

    def trouble(self, artifact_type: ArtifactType) -> str | None:
        method = self.of(artifact_type)
        if method is None:
            return "the routing table is not known yet, which says what the type's model can learn by"
        try:
            self.check(method)
        except TrainerError as error:
            return str(error)
        return None
