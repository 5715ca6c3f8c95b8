"""``HONE_GPU_*`` is read, or refused with what is wrong."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from hone_generator.memory.hosts import is_loopback
from hone_generator.memory.settings import GpuSettings


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HONE_GPU_LIMIT", "0.8")
    monkeypatch.setenv("HONE_GPU_CARDS", "0, GPU-1")
    monkeypatch.setenv("HONE_GPU_HOSTS", "ollama:11434,gpu")
    monkeypatch.setenv("HONE_GPU_CAPACITY_GIB", "gpu1:11434=24, gpu2=79.5")
    monkeypatch.setenv("HONE_GPU_LEASE_POLICY", "train_first")
    settings = GpuSettings()
    assert settings.limit == 0.8
    assert settings.card_names == {"0", "GPU-1"}
    assert settings.own_hosts == {"http://ollama:11434", "http://gpu:11434"}
    assert settings.capacities_bytes == {
        "http://gpu1:11434": 24 << 30,
        "http://gpu2:11434": int(79.5 * (1 << 30)),
    }
    assert settings.lease_policy == "train_first"


def test_the_file_of_all_services_is_read_after_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hone.toml").write_text(
        'limit = 0.1\ngpu_limit = 0.7\ngpu_kv_type = "q8_0"\nlog_level = "DEBUG"\n'
    )
    monkeypatch.setenv("HONE_CONFIG", str(tmp_path / "hone.toml"))
    monkeypatch.setenv("HONE_GPU_KV_TYPE", "q4_0")
    monkeypatch.setenv("HONE_GPU_CARDS", "")
    settings = GpuSettings()
    assert (settings.limit, settings.kv_type, settings.card_names) == (0.7, "q4_0", frozenset())


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("capacity_gib", "24", "host:port=GiB"),
        ("capacity_gib", "gpu=-1", "host:port=GiB"),
        ("capacity_gib", "gpu=inf", "host:port=GiB"),
        ("capacity_gib", "gpu=nan", "host:port=GiB"),
        ("limit", "0.01", "nine tenths"),
        ("limit", "1.5", "less than or equal"),
        ("kv_type", "q3", "q8_0"),
        ("lease_policy", "mine", "train_first"),
    ],
)
def test_what_is_wrong_is_refused_with_how_to_write_it(name: str, value: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        GpuSettings.model_validate({name: value})


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:11434", True),
        ("http://127.8.0.1:1", True),
        ("http://[::1]:11434", True),
        ("http://localhost:11434", True),
        ("http://10.0.0.1:11434", False),
        ("http://ollama:11434", False),
        ("https://localhost.example:443", False),
    ],
)
def test_what_is_on_loopback_is_here(url: str, here: bool) -> None:
    assert is_loopback(url) is here
