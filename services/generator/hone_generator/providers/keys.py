"""Keys of cloud providers: from the environment, or from files that it names, as secrets are mounted into containers.

``OPENAI_API_KEY=…`` or ``OPENAI_API_KEY_FILE=/run/secrets/openai``. A key that cannot be one is refused at the start,
by the name of its variable.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from hone_generator.providers.errors import ProviderError

OPENAI_KEY = "OPENAI_API_KEY"
ANTHROPIC_KEY = "ANTHROPIC_API_KEY"
GEMINI_KEY = "GEMINI_API_KEY"
GOOGLE_KEY = "GOOGLE_API_KEY"  # Google's own clients read both
SERVER_KEYS = "HONE_OPENAI_SERVER_KEYS"

_MOST_CHARS = 4096
_LEAST_CHARS = 8


class InvalidKey(ProviderError):
    """A key is set and cannot be one. ``variable`` is where; what it is stands nowhere."""

    code = "invalid_key"

    def __init__(self, variable: str, reason: str) -> None:
        super().__init__(f"{variable} holds no key: {reason}; set it again, or unset it")
        self.variable = variable
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Keys:
    """None where there is no key. ``servers`` are those of OpenAI-compatible servers, by base URL."""

    openai: SecretStr | None = None
    anthropic: SecretStr | None = None
    gemini: SecretStr | None = None
    servers: Mapping[str, SecretStr] = field(default_factory=dict)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Keys":
        """Raises InvalidKey."""
        return cls(
            openai=key_of(environment, OPENAI_KEY),
            anthropic=key_of(environment, ANTHROPIC_KEY),
            gemini=key_of(environment, GEMINI_KEY) or key_of(environment, GOOGLE_KEY),
            servers=_server_keys(environment),
        )

    @property
    def secrets(self) -> tuple[str, ...]:
        """All of them as they are, for who has to keep them out of what is said."""
        found = (self.openai, self.anthropic, self.gemini, *self.servers.values())
        return tuple(key.get_secret_value() for key in found if key is not None)


def key_of(environment: Mapping[str, str], variable: str) -> SecretStr | None:
    """The key in a variable, or in the file that ``…_FILE`` names. Raises InvalidKey."""
    if environment.get(variable):
        return checked(environment[variable], variable)
    if path := environment.get(f"{variable}_FILE"):
        return checked(_read(Path(path), f"{variable}_FILE"), f"{variable}_FILE")
    return None


def checked(text: str, variable: str) -> SecretStr:
    """Without the line break at its end that most files have. Raises InvalidKey."""
    key = text.strip()
    if not key:
        raise InvalidKey(variable, "it is empty")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise InvalidKey(variable, "there is white space, or what no key has, inside it")
    if not _LEAST_CHARS <= len(key) <= _MOST_CHARS:
        raise InvalidKey(
            variable, f"it has {len(key)} characters, and keys have {_LEAST_CHARS} to {_MOST_CHARS}"
        )
    return SecretStr(key)


def _server_keys(environment: Mapping[str, str]) -> dict[str, SecretStr]:
    """Lines, or words with commas between, of ``http://host:8000/v1=KEY``. Raises InvalidKey."""
    text = environment.get(SERVER_KEYS) or ""
    variable = SERVER_KEYS
    if not text and (path := environment.get(f"{SERVER_KEYS}_FILE")):
        variable = f"{SERVER_KEYS}_FILE"
        text = _read(Path(path), variable)
    found = {}
    for entry in text.replace(",", "\n").splitlines():
        url, equals, key = entry.strip().partition("=")
        if equals:
            found[url.strip().rstrip("/")] = checked(key, f"{variable} for {url.strip()[:80]}")
        elif url:
            raise InvalidKey(
                variable, "write each as http://host:port/v1=KEY, with commas or line breaks between"
            )
    return found


def _read(path: Path, variable: str) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MOST_CHARS * 64).decode()
    except OSError as error:
        raise InvalidKey(variable, f"{path} cannot be read ({error.strerror or 'an error'})") from error
    except UnicodeDecodeError:
        # Its message would show what stands there.
        raise InvalidKey(variable, f"{path} is no text") from None
