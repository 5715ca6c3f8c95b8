"""What the gateway needs to know beside what every service does."""

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr

from hone_chassis import ServiceSettings


class GatewaySettings(ServiceSettings):
    port: int = Field(default=8400, ge=0, le=65535, description="0 takes a free port")
    admin_key: SecretStr | None = Field(
        default=None, min_length=16, description="the first API key; a change of it revokes the one before"
    )
    allowed_hosts: tuple[str, ...] = Field(
        default=(), description="names a Host header may have beside loopback ones, when bound to loopback"
    )

    # 200,000 characters of requirements in most scripts; messages on the bus may have 1 MiB.
    max_body_bytes: PositiveInt = 512 * 1024
    key_cache_s: PositiveFloat = Field(default=5.0, description="a revoked key works for at most this long")
    idempotency_keep_hours: PositiveInt = 24

    progress_write_s: PositiveFloat = Field(
        default=1.0, description="pause between writes of progress to job rows"
    )
    events_heartbeat_s: PositiveFloat = Field(
        default=15.0, description="proxies cut silent streams, often at 30 s"
    )
    events_poll_s: PositiveFloat = Field(
        default=2.0, description="a job that another replica ended is noticed after at most this long"
    )
    status_timeout_s: PositiveFloat = 2.0
