"""A version of a model, made ready to be asked beside the model's other versions."""

from typing import Any, Final

from hone_contracts.models import InvalidModelRef, ModelRef
from hone_contracts.registry import Reading, RouteModel, ServedVersion

IN_PROCESS: Final = "llamacpp"


def as_served(model: str, reading: Reading, version: ServedVersion) -> RouteModel:
    """Weights in this process are told apart by the name that they are asked for: two versions of one model need two,
    so that both can be loaded."""
    named = RouteModel(model=model, reading=reading, **version_fields(version))
    if named.served_by is None and named.model_uri is not None and provider_word(model) == IN_PROCESS:
        return named.model_copy(update={"served_by": f"{model}@{version.version}"})
    return named


def version_fields(version: ServedVersion) -> dict[str, Any]:
    """What tells of the version alone, where more is said around it: a route's model, a canary."""
    return {name: getattr(version, name) for name in ServedVersion.model_fields}


def provider_word(reference: str) -> str | None:
    """The provider of a reference, or None where it is none."""
    try:
        return ModelRef.parse(reference).provider
    except InvalidModelRef:
        return None
