"""Asking the generator which models it can reach, and how their providers are. No answer has a key in it."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from hone_contracts import subjects
from hone_contracts.errors import Request


class ListProviders(Request):
    subject: ClassVar[str] = subjects.rpc("generator", "list_providers")


class ProviderModel(BaseModel):
    """A model that a provider has. ``loaded``: it answers without being loaded first."""

    model_config = ConfigDict(frozen=True)

    model: str = Field(description="model reference, provider:model[:tag]")
    loaded: bool
    size_bytes: int | None = None
    context_tokens: int | None = None


class ProviderStatus(BaseModel):
    """A provider as it is now. ``detail`` tells a person: its hosts, or whether its key is set and accepted."""

    model_config = ConfigDict(frozen=True)

    name: str
    local: bool = Field(description="nothing that it is asked leaves the team's machines")
    ok: bool
    detail: str
    models: tuple[ProviderModel, ...] = Field(default=(), description="of local providers; loaded ones first")
    models_total: int = 0


class GpuStatus(BaseModel):
    """A graphics card of the generator's machine."""

    model_config = ConfigDict(frozen=True)

    name: str
    total_bytes: int
    used_bytes: int


class Providers(BaseModel):
    model_config = ConfigDict(frozen=True)

    providers: tuple[ProviderStatus, ...]
    gpus: tuple[GpuStatus, ...] = ()
