"""The providers that settings and keys make."""

from pathlib import Path

import pytest
from remote_cases import KEY, SETTINGS

from hone_contracts.models import ModelRef
from hone_generator.providers.base import Provider
from hone_generator.providers.configured import RemoteSettings, provider_of, remote_providers
from hone_generator.providers.keys import Keys
from hone_generator.providers.openai import OpenAIProvider
from hone_generator.providers.remote_provider import RemoteProvider


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for variable in SETTINGS:
        monkeypatch.delenv(variable, raising=False)
    return monkeypatch


async def closed(providers: dict[str, Provider]) -> None:
    for provider in providers.values():
        await provider.aclose()


async def test_by_default_they_are_the_vendors_own_and_none_is_local() -> None:
    providers = remote_providers(RemoteSettings(), Keys())
    urls = {}
    for name, provider in providers.items():
        found = provider_of(providers, ModelRef(name, "any"))
        assert isinstance(found, RemoteProvider)
        urls[name] = found.base_url
        assert not provider.local
        assert provider.name == name
        assert provider.capabilities.json_schema
    assert urls == {
        "openai": "https://api.openai.com/v1",
        "gemini": "https://generativelanguage.googleapis.com",
        "anthropic": "https://api.anthropic.com",
    }
    await closed(providers)


async def test_the_environment_says_where_they_are_and_what_is_local(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("OPENAI_BASE_URL", "http://gpu-box:8000/v1/")
    environment.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:7000")
    environment.setenv("GOOGLE_GEMINI_BASE_URL", "")
    environment.setenv("HONE_LOCAL_SERVERS", "gpu-box, other-box:9000")
    environment.setenv("HONE_CLOUD_SERVERS", "127.0.0.1:4000")
    providers = remote_providers(RemoteSettings(), Keys())
    assert providers["openai"].local
    assert not providers["anthropic"].local  # whoever answers there, it is a door to the cloud
    openai = providers["openai"]
    assert isinstance(openai, OpenAIProvider)
    assert openai.at(ModelRef.parse("openai+http://other-box:9000/v1:any")).local
    assert not openai.at(ModelRef.parse("openai+http://other-box:9001/v1:any")).local
    assert not openai.at(ModelRef.parse("openai+http://127.0.0.1:4000/v1:any")).local
    await closed(providers)


async def test_settings_and_providers_show_no_key(environment: pytest.MonkeyPatch) -> None:
    keys = Keys.from_environment({"OPENAI_API_KEY": KEY, "HONE_OPENAI_SERVER_KEYS": f"http://box:1/v1={KEY}"})
    providers = remote_providers(RemoteSettings(), keys)
    assert (
        KEY not in f"{keys!r}{RemoteSettings()!r}{providers!r}{[vars(each) for each in providers.values()]!r}"
    )
    assert keys.secrets == (KEY, KEY)
    await closed(providers)


def test_the_file_of_all_services_says_it_too(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "hone.toml"
    file.write_text('log_level = "DEBUG"\nlocal_servers = "gpu-box"\ncloud_servers = "10.0.0.1"\n')
    environment.setenv("HONE_CONFIG", str(file))
    environment.setenv("HONE_CLOUD_SERVERS", "10.0.0.2")
    servers = RemoteSettings().servers
    assert (servers.local, servers.cloud) == (frozenset({"gpu-box"}), frozenset({"10.0.0.2"}))
