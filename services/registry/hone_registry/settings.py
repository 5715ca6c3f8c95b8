"""What can be set of the registry, beside what every service has."""

from pathlib import Path

from pydantic import Field

from hone_chassis import ServiceSettings


class RegistrySettings(ServiceSettings):
    """``HONE_*`` in the environment."""

    starter_dir: Path | None = Field(
        default=None, description="folder of the model that ships with Hone; none is registered when unset"
    )
