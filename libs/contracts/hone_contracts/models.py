"""How users name a model: ``provider:model[:tag]``, with a server's address where there is more than one.

``ollama:qwen2.5-coder:7b``, ``llamacpp:hone-starter``, ``openai+http://host:port/v1:model``.
"""

import re
from dataclasses import dataclass

MAX_REFERENCE_CHARS = 500

PROVIDERS = ("anthropic", "gemini", "llamacpp", "ollama", "openai")
"""The first words of model references that Hone knows."""

_ALWAYS_CLOUD = frozenset({"anthropic", "gemini"})

_PROVIDER = re.compile(r"[a-z][a-z0-9_-]*")
# A model's own name is the provider's business: ``hf.co/org/repo:Q4_K_M``, ``ft:gpt-4.1:org::id``.
_NAME = re.compile(r"[^\s:\x00-\x1f\x7f][^\s\x00-\x1f\x7f]*")
_BASE_URL = re.compile(
    r"https?://"
    r"(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)"  # host
    r"(?::[0-9]{1,5}(?=[:/]|$))?"  # port
    r"(?:/[A-Za-z0-9._~/-]*)?"  # path: no query, no user, no password
)
_WITH_URL = re.compile(rf"(?P<base_url>{_BASE_URL.pattern}):(?P<name>.+)")
_PASSWORD = re.compile(r"//[^/]*@")
_BARE_HOST = re.compile(r"https?://(?:\[[^/]+\]|[^/:]+)")


class InvalidModelRef(ValueError):
    """This names no model."""

    def __init__(self, reference: str, reason: str) -> None:
        shown = _PASSWORD.sub("//…@", reference)
        shown = shown if len(shown) <= 80 else f"{shown[:80]}…"
        super().__init__(
            f"{shown!r} is not a model reference: {reason}; "
            "write provider:model[:tag], as in ollama:qwen2.5-coder:7b, or openai+http://host:port/v1:model"
        )
        self.reference = reference
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ModelRef:
    """A model of a provider. ``str(ref)`` is the form that users write, and parses back to the same reference."""

    provider: str
    name: str
    base_url: str | None = None

    def __post_init__(self) -> None:
        """Raises InvalidModelRef."""
        if not _PROVIDER.fullmatch(self.provider):
            raise InvalidModelRef(str(self), "a provider is a word of lower-case letters")
        if not _NAME.fullmatch(self.name):
            raise InvalidModelRef(str(self), "the model's name is missing or has spaces in it")
        if self.base_url is not None:
            self._check_base_url(self.base_url)
        if len(str(self)) > MAX_REFERENCE_CHARS:
            raise InvalidModelRef(str(self), f"it is longer than {MAX_REFERENCE_CHARS} characters")

    def _check_base_url(self, base_url: str) -> None:
        if not _BASE_URL.fullmatch(base_url):
            raise InvalidModelRef(str(self), "the address is not http(s)://host[:port][/path]")
        if _BARE_HOST.fullmatch(base_url):
            # After a bare host, "8000/v1" could be a port and a path, or a model.
            raise InvalidModelRef(str(self), "the address needs its port or its path")

    @classmethod
    def parse(cls, reference: str) -> "ModelRef":
        """Raises InvalidModelRef."""
        provider, separator, rest = reference.partition(":")
        if not separator:
            raise InvalidModelRef(reference, "the provider is missing")
        provider, with_url, scheme = provider.partition("+")
        if not with_url:
            return cls(provider, rest)
        match = _WITH_URL.fullmatch(f"{scheme}:{rest}")
        if match is None:
            raise InvalidModelRef(reference, "the address or the model after it is missing")
        return cls(provider, match["name"], match["base_url"])

    @property
    def is_cloud(self) -> bool:
        """Whether what is sent to it leaves the team's machines for certain. Who answers ``openai`` is for the
        generator's settings to say: OpenAI, or a server of the team's."""
        return self.provider in _ALWAYS_CLOUD

    @property
    def tag(self) -> str | None:
        """What stands after the name's last colon: ``7b`` of ``qwen2.5-coder:7b``."""
        _, separator, tag = self.name.rpartition(":")
        return tag if separator and tag else None

    def __str__(self) -> str:
        address = f"+{self.base_url}" if self.base_url is not None else ""
        return f"{self.provider}{address}:{self.name}"
