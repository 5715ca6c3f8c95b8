"""The providers that this generator has: from its settings and keys, by the first word of a model reference."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from hone_chassis.settings import FileSettings
from hone_contracts.models import ModelRef
from hone_generator.providers import anthropic_wire, gemini_wire
from hone_generator.providers.anthropic_wire import AnthropicWire
from hone_generator.providers.base import Provider
from hone_generator.providers.gemini_wire import GeminiWire
from hone_generator.providers.keys import ANTHROPIC_KEY, GEMINI_KEY, Keys
from hone_generator.providers.openai import OPENAI_URL, OpenAIProvider, OpenAISettings, Servers
from hone_generator.providers.remote_provider import RemoteProvider


class RemoteSettings(FileSettings):
    """Where providers are asked that answer over HTTP. The names of the addresses are those of their own clients.

    Lists are words with commas between them.
    """

    model_config = SettingsConfigDict(env_ignore_empty=True)

    openai_base_url: str = Field(default=OPENAI_URL, validation_alias="OPENAI_BASE_URL")
    anthropic_base_url: str = Field(default=anthropic_wire.DEFAULT_URL, validation_alias="ANTHROPIC_BASE_URL")
    gemini_base_url: str = Field(default=gemini_wire.DEFAULT_URL, validation_alias="GOOGLE_GEMINI_BASE_URL")
    local_servers: str = Field(
        default="",
        description="hosts or base URLs of the team's own machines, beside loopback and private addresses",
    )
    cloud_servers: str = Field(
        default="", description="hosts or base URLs with such addresses that pass on to a cloud what they get"
    )
    prices_file: Path | None = Field(default=None, description="prices instead of those that Hone knows")

    @property
    def servers(self) -> Servers:
        return Servers(local=_words(self.local_servers), cloud=_words(self.cloud_servers))


def remote_providers(settings: RemoteSettings, keys: Keys) -> dict[str, Provider]:
    """OpenAI, Gemini and Anthropic. Those without a key are there too, and say what is missing."""
    return {
        "openai": OpenAIProvider(
            OpenAISettings(settings.openai_base_url, keys.openai, settings.servers, keys.servers)
        ),
        "gemini": gemini(keys, settings.gemini_base_url),
        "anthropic": anthropic(keys, settings.anthropic_base_url),
    }


def gemini(keys: Keys, base_url: str = gemini_wire.DEFAULT_URL) -> RemoteProvider:
    wire = GeminiWire()
    return RemoteProvider(wire, base_url, keys.gemini, GEMINI_KEY, local=False, embeddings=wire)


def anthropic(keys: Keys, base_url: str = anthropic_wire.DEFAULT_URL) -> RemoteProvider:
    return RemoteProvider(AnthropicWire(), base_url, keys.anthropic, ANTHROPIC_KEY, local=False)


def provider_of(providers: Mapping[str, Provider], model: ModelRef) -> Provider | None:
    """Who answers the model. A server of its own is a provider of its own, as only it knows whether it is local.

    Raises RequestRefused where the reference names a server that may not be asked.
    """
    provider = providers.get(model.provider)
    return provider.at(model) if isinstance(provider, OpenAIProvider) else provider


def _words(text: str) -> frozenset[str]:
    return frozenset(word for word in text.replace(",", " ").split() if word)
