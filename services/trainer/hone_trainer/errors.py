"""Why the trainer cannot do what was asked."""

from collections.abc import Sequence

from hone_chassis import Permanent
from hone_contracts.training import Method

ADD_PACKAGES = "make train-deps"
_WHAT_THIS_VERSION_TRAINS = (
    "This version trains the starter model (`make starter`); training from feedback comes with a later one"
)


class TrainerError(Permanent):
    """The request cannot be met by this trainer as it is installed."""


class PackagesMissing(TrainerError):
    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__(
            "training_packages_missing",
            "Packages that training needs are not installed",
            f"{', '.join(missing)}: `{ADD_PACKAGES}`, run where Hone was cloned, adds what is missing (gigabytes, on "
            f"Linux). {_WHAT_THIS_VERSION_TRAINS}",
            503,
        )
        self.missing = tuple(missing)


class NotThereYet(TrainerError):
    def __init__(self, method: Method) -> None:
        super().__init__(
            "not_there_yet",
            "Not there yet",
            f"this version of Hone cannot train by {method}. {_WHAT_THIS_VERSION_TRAINS}",
            501,
        )
        self.method = method
