"""What memory is managed for: a server that loads models, and a model that is wanted of it."""

import ipaddress
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from hone_generator.memory.footprint import ModelFacts
from hone_generator.providers.ollama_wire import ModelEntry


class ModelHost(Protocol):
    """All raise ProviderError."""

    @property
    def url(self) -> str: ...

    async def loaded(self) -> list[ModelEntry]: ...

    async def load(self, name: str, context_tokens: int) -> None:
        """Returns when it is loaded. Raises OutOfMemory."""
        ...

    async def unload(self, name: str) -> None:
        """Begins it; the model leaves a little later."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """A model as its server calls it, and contexts that would do, the best one first.

    ``model`` is what errors call it. It is used as it is if it is loaded with ``enough_tokens``. Without
    ``facts`` its memory cannot be predicted, and the server is left to see whether it fits.
    """

    model: str
    name: str
    contexts: tuple[int, ...]
    enough_tokens: int
    digest: str = ""
    facts: ModelFacts | None = None


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
