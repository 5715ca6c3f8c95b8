"""Settings every service shares: from ``HONE_*`` in the environment, then a file, then these defaults."""

import os
import tomllib
from pathlib import Path
from typing import Any, Literal

from platformdirs import user_data_path
from pydantic import Field, PositiveFloat, PositiveInt, SecretStr
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)


class FileSettings(BaseSettings):
    """``HONE_CONFIG`` names a TOML file that all services share; what stands in the environment wins over it."""

    model_config = SettingsConfigDict(env_prefix="HONE_", extra="ignore", frozen=True)

    @classmethod
    def of_file(cls, told: dict[str, Any]) -> dict[str, Any]:
        """What of the file is these settings'."""
        return told

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (the base class passes it)
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        named = os.environ.get("HONE_CONFIG")
        told = tomllib.loads(Path(named).read_text("utf-8")) if named else {}
        file = InitSettingsSource(settings_cls, cls.of_file(told))
        return init_settings, env_settings, file_secret_settings, file


class ServiceSettings(FileSettings):
    """What any service needs to know to run. Services add their own fields in a subclass."""

    data_dir: Path = Field(default_factory=lambda: user_data_path("hone"))
    database_url: SecretStr | None = Field(
        default=None, description="SQLAlchemy URL; one SQLite file a service under data_dir when unset"
    )
    nats_url: SecretStr = SecretStr("nats://127.0.0.1:4222")
    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535, description="0 takes a free port")

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["json", "console"] = "json"
    otlp_endpoint: str | None = Field(default=None, description="OTLP over HTTP; no traces when unset")

    ack_wait_s: PositiveFloat = Field(
        default=30.0, description="silence after which a message goes to another worker"
    )
    max_deliver: PositiveInt = Field(default=5, description="deliveries before a message is a dead letter")
    retry_delay_s: PositiveFloat = Field(default=0.5, description="first delay; doubles with each delivery")
    retry_delay_max_s: PositiveFloat = 60.0
    graceful_timeout_s: PositiveFloat = 10.0
    # Longer than the events stream keeps messages, so that a replay never meets a forgotten receipt.
    outbox_keep_days: PositiveInt = 7
    inbox_keep_days: PositiveInt = 15

    def database_url_of(self, service: str) -> str:
        """The service's own database: the configured server, or a SQLite file of its own."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite+aiosqlite:///{self.data_dir / f'{service}.db'}"
