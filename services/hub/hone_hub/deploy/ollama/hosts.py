"""Where Ollama runs: ``OLLAMA_HOST`` as Ollama itself and Hone's generator read it, several with commas between.

Source: ``Host`` in https://github.com/ollama/ollama/blob/main/envconfig/config.go
"""

import ipaddress
import re

from hone_hub.deploy.ollama.errors import BadOllamaHost

_DEFAULT_PORT = {"": "11434", "http": "80", "https": "443"}
# What a server listens on is not always where one can connect to.
_CONNECT_TO = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (nothing listens here)
_HOST = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}")
_PATH = re.compile(r"[A-Za-z0-9._~/-]*")


def parse_hosts(text: str) -> tuple[str, ...]:
    """Base URLs without a slash at the end, each once; Ollama's default when there is none. Raises BadOllamaHost."""
    hosts = [host for host in text.split(",") if host.strip()] or [""]
    return tuple(dict.fromkeys(_parse(host.strip().strip("\"'").strip()) for host in hosts))


def _parse(value: str) -> str:
    scheme, separator, rest = value.rpartition("://") if "://" in value else ("", "", value)
    if scheme not in _DEFAULT_PORT or (separator and not scheme) or "@" in rest:
        raise BadOllamaHost(value, "only http:// and https:// are known, without a user or a password")
    address, _, path = rest.partition("/")
    if not _PATH.fullmatch(path):
        raise BadOllamaHost(value, "the path has characters that do not belong there")
    host, port = _split(address)
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        port = _DEFAULT_PORT[scheme]  # as Ollama does
    trimmed = path.rstrip("/")
    return f"{scheme or 'http'}://{_connectable(host, value)}:{int(port)}" + (
        f"/{trimmed}" if trimmed else ""
    )


def _split(address: str) -> tuple[str, str]:
    """Host and port, either of them possibly empty."""
    if address.startswith("["):
        host, _, port = address[1:].partition("]")
        return host, port.removeprefix(":")
    if address.count(":") > 1:
        return address, ""  # an IPv6 address without brackets has no port
    host, _, port = address.partition(":")
    return host, port


def _connectable(host: str, value: str) -> str:
    host = _CONNECT_TO.get(host, host)
    if ":" not in host:
        if not _HOST.fullmatch(host):
            raise BadOllamaHost(value, "the host's name has characters that do not belong there")
        return host
    try:
        return f"[{ipaddress.IPv6Address(host)}]"
    except ValueError as error:
        raise BadOllamaHost(value, "the host is no IPv6 address") from error
