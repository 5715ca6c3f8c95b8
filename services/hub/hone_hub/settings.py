"""What can be set of the hub, beside what every service has."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt
from pydantic_settings import NoDecode

from hone_chassis import ServiceSettings


def _split(value: object) -> object:
    return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value


class HubSettings(ServiceSettings):
    """``HONE_*`` in the environment."""

    file_roots: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=(Path("/"),),
        description="folders whose files may be read and written, separated as in PATH. The default is right where "
        "the hub runs as the only user of a machine (`hone up`) and must be narrowed where several share it",
    )
    parallel_conversions: PositiveInt = Field(
        default=1, description="a conversion takes a core and a tensor's memory"
    )
    inspect_limit_s: PositiveFloat = Field(
        default=25.0, description="below what the gateway waits for an answer"
    )
    parallel_deployments: PositiveInt = Field(
        default=2, description="a deployment loads a model once to prove it, beside the one that is in use"
    )
    proof_limit_s: PositiveFloat = Field(
        default=300.0, description="loading a model from a slow disk, and a few short answers of it"
    )
    ollama_host: str = Field(
        default="127.0.0.1:11434",
        validation_alias="OLLAMA_HOST",
        description="as Ollama itself reads it; several, separated by commas: each that has the base gets a version",
    )
    starter_dir: Path | None = Field(default=None, description="where the model that ships with Hone lies")

    @property
    def model_folders(self) -> tuple[Path, ...]:
        """In-process models lie in these folders and no other."""
        folders = (self.data_dir / "models", self.starter_dir)
        return tuple(folder for folder in folders if folder is not None)
