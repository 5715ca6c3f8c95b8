"""Where Ollama runs, with what is no address told as a provider's error."""

from hone_contracts import ollama_hosts
from hone_generator.providers.errors import ProviderError

PROVIDER = "ollama"


class InvalidOllamaHost(ProviderError):
    """This is no address of an Ollama server."""

    def __init__(self, error: ollama_hosts.InvalidOllamaHost) -> None:
        super().__init__(str(error))
        self.text = error.text
        self.reason = error.reason


def parse_hosts(text: str) -> tuple[str, ...]:
    """Base URLs of hosts with commas between, each once; of Ollama's default when there is none.

    Raises InvalidOllamaHost.
    """
    try:
        return ollama_hosts.parse_hosts(text)
    except ollama_hosts.InvalidOllamaHost as error:
        raise InvalidOllamaHost(error) from error


def parse_host(text: str) -> str:
    """The base URL, with its port and without a slash at the end. Raises InvalidOllamaHost."""
    try:
        return ollama_hosts.parse_host(text)
    except ollama_hosts.InvalidOllamaHost as error:
        raise InvalidOllamaHost(error) from error
