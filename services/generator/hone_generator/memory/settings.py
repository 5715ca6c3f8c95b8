"""What can be set of the use of graphics cards: ``HONE_GPU_*`` in the environment, ``gpu_*`` in a file."""

from typing import Any, Self

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from hone_chassis.settings import FileSettings
from hone_contracts.card import CardPolicy
from hone_generator.memory.footprint import KvType, Serving
from hone_generator.providers.ollama_hosts import parse_host


class GpuSettings(FileSettings):
    """Without any of it: the Ollama on this machine has all its cards, and of other machines nothing is known."""

    model_config = SettingsConfigDict(env_prefix="HONE_GPU_", env_ignore_empty=True)

    limit: float = Field(default=0.9, gt=0, le=1, description="share of a card that may be used")
    cards: str = Field(
        default="", description="UUIDs or numbers of the cards to use, with commas; all when empty"
    )
    hosts: str = Field(
        default="", description="Ollama hosts that run on this machine's cards, beside those on loopback"
    )
    capacity_gib: str = Field(default="", description="memory of other hosts' cards: host=GiB, with commas")

    kv_type: KvType = Field(default="f16", description="as OLLAMA_KV_CACHE_TYPE")
    parallel: PositiveInt = Field(default=1, description="as OLLAMA_NUM_PARALLEL")
    flash_attention: bool = Field(
        default=False, description="as OLLAMA_FLASH_ATTENTION; too little room if wrong"
    )

    busy_wait_s: PositiveFloat = Field(default=30.0, description="for models in use to become idle")
    unload_wait_s: PositiveFloat = Field(default=10.0, description="for a model to leave the card")
    steady_s: PositiveFloat = Field(
        default=2.0, description="a card whose memory does not change for so long has freed what it frees"
    )
    poll_s: PositiveFloat = Field(default=0.1, description="how often one looks whether it left")

    lease_policy: CardPolicy = "generation_first"
    lease_idle_s: float = Field(
        default=60.0, ge=0, description="time without a generation after which training may have the card"
    )
    report_s: PositiveFloat = Field(default=15.0, description="how often the metrics of the cards are read")

    @classmethod
    def of_file(cls, told: dict[str, Any]) -> dict[str, Any]:
        return {key.removeprefix("gpu_"): value for key, value in told.items() if key.startswith("gpu_")}

    @field_validator("limit")
    @classmethod
    def _a_share(cls, limit: float) -> float:
        if limit < 0.05:
            raise ValueError("nothing fits so little; write 0.9 for nine tenths")
        return limit

    @model_validator(mode="after")
    def _readable(self) -> Self:
        _ = self.own_hosts, self.capacities_bytes
        return self

    @property
    def serving(self) -> Serving:
        return Serving(self.parallel, self.kv_type, self.flash_attention)

    @property
    def card_names(self) -> frozenset[str]:
        return frozenset(filter(None, map(str.strip, self.cards.split(","))))

    @property
    def own_hosts(self) -> frozenset[str]:
        """Base URLs. Raises InvalidOllamaHost."""
        return frozenset(parse_host(host) for host in self.hosts.split(",") if host.strip())

    @property
    def capacities_bytes(self) -> dict[str, int]:
        """By base URL. Raises ValueError, InvalidOllamaHost."""
        found = {}
        for pair in filter(None, map(str.strip, self.capacity_gib.split(","))):
            host, separator, size = pair.rpartition("=")
            try:
                size_bytes = int(float(size) * (1 << 30))
            except (ValueError, OverflowError):
                size_bytes = 0
            if not separator or size_bytes <= 0:
                raise ValueError(f"{pair!r} is no capacity: write host:port=GiB, as in gpu1:11434=24")
            found[parse_host(host)] = size_bytes
        return found
