"""Where Ollama runs, written as its own ``OLLAMA_HOST``: ``host``, ``host:port``, ``https://host/path``.

Source: ``Host`` in https://github.com/ollama/ollama/blob/main/envconfig/config.go
"""

import ipaddress
import re

_DEFAULT_PORT = "11434"
_PORT_OF_SCHEME = {"http": "80", "https": "443"}
# What a server listens on is not always where one can connect to.
_CONNECT_TO = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (nothing listens here)
_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,252})")
_PATH = re.compile(r"[A-Za-z0-9._~/-]*")


class InvalidOllamaHost(ValueError):
    """This is no address of an Ollama server. ``text`` has no password in it."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(
            f"{text!r} is no address of Ollama: {reason}; write host:port, as in 127.0.0.1:11434"
        )
        self.text = text
        self.reason = reason


def parse_hosts(text: str) -> tuple[str, ...]:
    """Base URLs of hosts with commas between, each once; of Ollama's default when there is none.

    Raises InvalidOllamaHost.
    """
    hosts = [host for host in text.split(",") if host.strip()] or [""]
    return tuple(dict.fromkeys(parse_host(host) for host in hosts))


def parse_host(text: str) -> str:
    """The base URL, with its port and without a slash at the end. Raises InvalidOllamaHost."""
    value = text.strip().strip("\"'").strip()
    scheme, separator, rest = value.partition("://")
    if not separator:
        scheme, rest = "http", value
    elif scheme not in _PORT_OF_SCHEME:
        raise InvalidOllamaHost(scheme, "only http:// and https:// are known")
    default_port = _PORT_OF_SCHEME[scheme] if separator else _DEFAULT_PORT
    address, _, path = rest.partition("/")
    if "@" in rest:
        raise InvalidOllamaHost("…@…", "a user name or password does not belong into it")
    if not _PATH.fullmatch(path):
        raise InvalidOllamaHost(value, "the path has characters that do not belong there")
    host, port = _split(address)
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        port = default_port  # as Ollama does
    trimmed = path.rstrip("/")
    return f"{scheme}://{_connectable(host, value)}:{int(port)}" + (f"/{trimmed}" if trimmed else "")


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
        if not _NAME.fullmatch(host):
            raise InvalidOllamaHost(value, "the host's name has characters that do not belong there")
        return host
    try:
        return f"[{ipaddress.IPv6Address(host)}]"
    except ValueError as error:
        raise InvalidOllamaHost(value, "the host is no IPv6 address") from error
