"""Which server answers a reference, whether the text stays with the team, and which key goes where."""

from dataclasses import replace

import pytest
from fake_upstream import PROSE, FakeUpstream
from pydantic import SecretStr
from remote_cases import ASK, KEY, SETTINGS, chunks, text_of

from hone_contracts.models import ModelRef
from hone_contracts.registry import Route
from hone_generator.engine.plan import Barred, Candidate, order
from hone_generator.providers.base import JsonSchema, Provider
from hone_generator.providers.configured import RemoteSettings, provider_of, remote_providers
from hone_generator.providers.errors import NotAuthorised, RequestRefused
from hone_generator.providers.keys import Keys
from hone_generator.providers.openai import OpenAIProvider, OpenAISettings, Servers

OTHER_KEY = "another-key-of-a-server"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in SETTINGS:
        monkeypatch.delenv(variable, raising=False)


def reference(base_url: str) -> ModelRef:
    return ModelRef.parse(f"openai+{base_url}:any")


@pytest.mark.parametrize(
    ("base_url", "local"),
    [
        ("http://127.0.0.1:8000/v1", True),
        ("http://127.9.9.9:8000/v1", True),
        ("http://localhost:1234/v1", True),
        ("http://LOCALHOST.:1234/v1", True),
        ("http://10.1.2.3:8000/v1", True),
        ("http://172.16.0.1:8000/v1", True),
        ("http://172.32.0.1:8000/v1", False),
        ("http://192.168.1.20:8000/v1", True),
        ("http://[::1]:8000/v1", True),
        ("http://[fd00::1]:8000/v1", True),
        ("http://[::ffff:10.0.0.1]:8000/v1", True),
        ("http://[::ffff:8.8.8.8]:8000/v1", False),
        ("http://[64:ff9b::10.0.0.1]:8000/v1", False),
        ("http://8.8.8.8:8000/v1", False),
        ("http://100.64.0.1:8000/v1", False),
        ("http://0.0.0.0:8000/v1", False),
        ("https://api.openai.com/v1", False),
        ("http://gpu-box:8000/v1", False),
        ("http://localhost.evil.example:8000/v1", False),
        ("http://10.0.0.1.evil.example:8000/v1", False),
    ],
)
async def test_only_addresses_of_the_teams_own_networks_are_local(base_url: str, local: bool) -> None:
    provider = OpenAIProvider()
    assert provider.at(reference(base_url)).local is local
    await provider.aclose()


@pytest.mark.parametrize(
    ("servers", "base_url", "local"),
    [
        (Servers(local=frozenset({"gpu-box"})), "http://gpu-box:8000/v1", True),
        (Servers(local=frozenset({"GPU-box:8000"})), "http://gpu-box:8000/v1", True),
        (Servers(local=frozenset({"gpu-box:8001"})), "http://gpu-box:8000/v1", False),
        (Servers(local=frozenset({"http://gpu-box:8000/v1/"})), "http://gpu-box:8000/v1", True),
        (Servers(local=frozenset({"box"})), "http://gpu-box:8000/v1", False),
        (Servers(cloud=frozenset({"127.0.0.1:4000"})), "http://127.0.0.1:4000/v1", False),
        (Servers(cloud=frozenset({"localhost"})), "http://localhost:4000/v1", False),
    ],
)
async def test_what_is_local_can_be_said(servers: Servers, base_url: str, local: bool) -> None:
    provider = OpenAIProvider(OpenAISettings(servers=servers))
    assert provider.at(reference(base_url)).local is local
    await provider.aclose()


@pytest.mark.parametrize(
    "base_url",
    [
        "http://169.254.169.254/latest",
        "http://metadata.google.internal:80/computeMetadata",
        "http://metadata.google.internal.:80/v1",
        "http://[fd00:ec2::254]:80/latest",
        "http://100.100.100.200:80/latest",
        "http://[fe80::1]:80/v1",
        "http://[::ffff:169.254.169.254]:80/v1",
        "http://2852039166:80/v1",
        "http://0xa9fea9fe:80/v1",
        "http://0251.0376.0251.0376:80/v1",
        "http://127.1:8000/v1",
        "http://host:99999/v1",
    ],
)
async def test_a_reference_cannot_name_where_machines_tell_their_secrets(base_url: str) -> None:
    with pytest.raises(RequestRefused):
        OpenAIProvider().at(reference(base_url))


async def test_one_server_in_two_spellings_is_one_provider_and_their_number_is_bounded() -> None:
    provider = OpenAIProvider()
    assert provider.at(reference("http://127.0.0.1:80/v1/")) is provider.at(reference("http://127.0.0.1/v1"))
    with pytest.raises(RequestRefused, match="too many servers"):
        for port in range(1000, 1100):
            provider.at(reference(f"http://127.0.0.1:{port}/v1"))
    await provider.aclose()


async def test_the_key_of_openai_goes_to_no_server_that_a_reference_names() -> None:
    async with FakeUpstream() as openai, FakeUpstream() as named, FakeUpstream() as with_key:
        settings = OpenAISettings(
            openai.openai_url, SecretStr(KEY), server_keys={with_key.openai_url: SecretStr(OTHER_KEY)}
        )
        provider = OpenAIProvider(settings)
        for upstream in (openai, named, with_key):
            model = ModelRef("openai", "any", None if upstream is openai else upstream.openai_url)
            assert text_of([chunk async for chunk in provider.generate(model, ASK)]) == PROSE
        await provider.aclose()
    sent = [str(upstream.requests[0].request.headers) for upstream in (openai, named, with_key)]
    assert [KEY in headers for headers in sent] == [True, False, False]
    assert [OTHER_KEY in headers for headers in sent] == [False, False, True]
    assert "authorization" not in named.requests[0].request.headers


async def test_what_looks_local_does_not_lead_out() -> None:
    """Whoever only asked the provider whether it is local must not reach another server through it."""
    async with FakeUpstream() as upstream:
        provider = OpenAIProvider(OpenAISettings(upstream.openai_url))
        assert provider.local
        with pytest.raises(RequestRefused, match="not on the team's machines"):
            async for _ in provider.generate(reference("http://8.8.8.8:8000/v1"), ASK):
                pass
        await provider.aclose()


async def test_a_route_that_keeps_the_text_asks_no_server_elsewhere() -> None:
    providers = remote_providers(RemoteSettings(), Keys())
    models = {
        "openai+http://127.0.0.1:8000/v1:any": Candidate,
        "openai+http://8.8.8.8:8000/v1:any": Barred,
        "openai+http://169.254.169.254:80/v1:any": Barred,
        "openai:gpt-4.1": Barred,
        "gemini:gemini-2.5-flash": Barred,
        "anthropic:claude-sonnet-4-5": Barred,
    }
    for model, kind in models.items():
        (step,) = order(Route(artifact_type="openapi", model=model), providers)
        assert isinstance(step, kind), step
    for provider in providers.values():
        await provider.aclose()


async def test_each_server_is_a_provider_of_its_own() -> None:
    providers: dict[str, Provider] = {"openai": OpenAIProvider()}
    named = provider_of(providers, reference("http://127.0.0.1:8000/v1"))
    assert named is not None
    assert named.local
    assert not providers["openai"].local
    assert provider_of(providers, ModelRef("nobody", "any")) is None
    await providers["openai"].aclose()


async def test_a_server_that_knows_no_schemas_says_so_of_itself_alone() -> None:
    async with FakeUpstream(models=("good",)) as upstream:
        provider = OpenAIProvider()
        server = provider.at(reference(upstream.openai_url))
        held = replace(ASK, constraint=JsonSchema({"type": "object", "properties": {}, "required": []}))
        await chunks(server, "no-schema", held)
        assert not server.capabilities.json_schema
        assert provider.capabilities.json_schema
        assert [str(model.ref) for model in await server.models()] == [f"openai+{upstream.openai_url}:good"]
        await provider.aclose()


async def test_without_a_key_everything_is_there_and_says_what_is_missing() -> None:
    providers = remote_providers(RemoteSettings(), Keys())
    variables = {"openai": "OPENAI_API_KEY", "gemini": "GEMINI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
    assert set(providers) == set(variables)
    for name, provider in providers.items():
        health = await provider.health()
        assert not health.ok
        assert variables[name] in health.detail
        with pytest.raises(NotAuthorised, match=f"its key is not set; check {variables[name]}"):
            await chunks(provider, "any")
        await provider.aclose()


async def test_a_server_of_the_team_needs_no_key() -> None:
    async with FakeUpstream() as upstream:
        providers = remote_providers(RemoteSettings(OPENAI_BASE_URL=upstream.openai_url), Keys())
        assert providers["openai"].local
        assert text_of(await chunks(providers["openai"], "any")) == PROSE
        for provider in providers.values():
            await provider.aclose()
