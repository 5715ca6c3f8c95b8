"""Where settings come from: the environment wins over the file, the file over the defaults."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from hone_chassis import ServiceSettings


def test_the_environment_wins_over_the_file_and_the_file_over_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "hone.toml"
    file.write_text('log_level = "DEBUG"\nack_wait_s = 7.0\n')
    monkeypatch.setenv("HONE_CONFIG", str(file))
    monkeypatch.setenv("HONE_ACK_WAIT_S", "9")
    settings = ServiceSettings()
    assert (settings.ack_wait_s, settings.log_level, settings.max_deliver) == (9.0, "DEBUG", 5)


def test_a_wrong_setting_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HONE_MAX_DELIVER", "0")
    with pytest.raises(ValidationError, match="max_deliver"):
        ServiceSettings()


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HONE_NATS_URL", "nats://hone:s3cret@127.0.0.1:4222")
    monkeypatch.setenv("HONE_DATABASE_URL", "postgresql+asyncpg://hone:s3cret@db/hone")
    assert "s3cret" not in repr(ServiceSettings())


def test_each_service_has_a_database_file_of_its_own(tmp_path: Path) -> None:
    settings = ServiceSettings(data_dir=tmp_path)
    assert settings.database_url_of("hub") != settings.database_url_of("gateway")
