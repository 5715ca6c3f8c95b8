"""What can be set of the hub, beside what every service has."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
)
from pydantic_settings import NoDecode

from hone_chassis import ServiceSettings
from hone_hub.huggingface.access import DEFAULT_ENDPOINT, HubAccess


def _split(value: object) -> object:
    return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value


def _endpoint(text: str) -> str:
    if not text:
        return DEFAULT_ENDPOINT
    if not text.startswith(("https://", "http://")):
        raise ValueError("HF_ENDPOINT is an address such as https://huggingface.co")
    return text.rstrip("/")


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
    hf_endpoint: Annotated[str, AfterValidator(_endpoint)] = Field(
        default=DEFAULT_ENDPOINT,
        validation_alias="HF_ENDPOINT",
        description="the hub of models, or a mirror that speaks its protocol",
    )
    hf_token: SecretStr | None = Field(
        default=None,
        validation_alias="HF_TOKEN",
        description="for private and gated repositories; when unset the one that `hf auth login` left",
    )
    parallel_additions: PositiveInt = Field(
        default=2, description="models that are added at a time: downloaded, converted, proven"
    )
    parallel_files: PositiveInt = Field(
        default=4, description="files of one model that are downloaded at a time"
    )
    spare_disk_bytes: NonNegativeInt = Field(
        default=1 << 30, description="what stays free on a disk when models are downloaded and converted"
    )
    keep_downloads: bool = Field(
        default=False,
        description="keep what was downloaded although who serves the model has a copy of its own",
    )
    checkpoints_kept_days: PositiveFloat = Field(
        default=30.0,
        description="weights that were fetched to be trained go when no run has asked for them so long",
    )
    hub_limit_s: PositiveFloat = Field(
        default=20.0, description="for a search or a look into a repository; below what the gateway waits"
    )
    starter_dir: Path | None = Field(default=None, description="where the model that ships with Hone lies")

    @property
    def hub_access(self) -> HubAccess:
        """As whom the hub of models is asked."""
        token = self.hf_token if self.hf_token and self.hf_token.get_secret_value() else _token_on_disk()
        return HubAccess(self.hf_endpoint, token)

    @property
    def model_folders(self) -> tuple[Path, ...]:
        """In-process models lie in these folders and no other."""
        folders = (self.data_dir / "models", self.starter_dir)
        return tuple(folder for folder in folders if folder is not None)


def _token_on_disk() -> SecretStr | None:
    """Where huggingface_hub's own login keeps it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = Path(os.environ.get("HF_HOME") or cache / "huggingface")
    try:
        token = (
            Path(os.environ.get("HF_TOKEN_PATH") or home / "token").expanduser().read_text("utf-8").strip()
        )
    except (OSError, ValueError):
        return None
    return SecretStr(token) if token else None
