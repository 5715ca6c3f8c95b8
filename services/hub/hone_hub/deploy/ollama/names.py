"""What versions and their bases are called in Ollama."""

from hone_contracts.models import InvalidModelRef, ModelRef
from hone_contracts.training import PlannedVersion
from hone_hub.deploy.errors import BadModelName
from hone_hub.deploy.versions import plain, reference, version_name


def ollama_name(planned: PlannedVersion) -> str:
    """``hone-<model>:v{n}_{timestamp}``: at most 80 characters a part, and one colon, before the tag.

    Raises BadModelName, BadVersionName.
    """
    model = reference(planned).name.removesuffix(":latest").replace(":", "-")
    return f"hone-{plain(model)}:{version_name(planned)}"


def base_name(planned: PlannedVersion) -> str:
    """The model, or its version, that the version is made from. Raises BadModelName."""
    served_by = planned.base.served_by
    if served_by is None:
        return reference(planned).name
    try:
        return ModelRef.parse(served_by).name
    except InvalidModelRef as error:
        raise BadModelName(served_by, error.reason) from error
