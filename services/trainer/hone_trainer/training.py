"""May a training run start here? Found out without importing what training needs."""

import importlib.util
from collections.abc import Sequence
from typing import NoReturn

from hone_contracts.training import CheckTraining, Method
from hone_trainer.errors import NotThereYet, PackagesMissing

TRAIN_PACKAGES = ("torch", "transformers", "safetensors", "tokenizers")
"""What the ``train`` extra brings."""

_ON_CPU: frozenset[Method] = frozenset({"few_shot"})
"""Chooses examples; changes no weights."""


class TrainingDesk:
    """Answers for this process's environment."""

    def __init__(self, packages: Sequence[str] = TRAIN_PACKAGES) -> None:
        self._packages = packages

    async def check(self, question: CheckTraining) -> NoReturn:
        """Raises PackagesMissing or NotThereYet: no method of training from feedback is there in this version."""
        if question.method not in _ON_CPU:
            # ``find_spec`` looks for a package without running it.
            missing = [name for name in self._packages if importlib.util.find_spec(name) is None]
            if missing:
                raise PackagesMissing(missing)
        raise NotThereYet(question.method)
