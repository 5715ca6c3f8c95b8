"""Which gateway to talk to, and with which key."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from hone.cli.errors import WrongInput
from hone.launcher.datafolder import DataFolder, default_data_folder

_DEFAULT_URL = "http://127.0.0.1:8400"


@dataclass(frozen=True)
class Endpoint:
    url: str
    key: str | None

    @property
    def is_loopback(self) -> bool:
        return urlsplit(self.url).hostname in ("127.0.0.1", "localhost", "::1")


def find_endpoint(data: DataFolder | None = None) -> Endpoint:
    """HONE_URL and HONE_API_KEY; else what runs on the data folder, with its admin key.

    The admin key goes only to the gateway that was started with it: not to another address, and not to whatever
    listens on the old port after that gateway has ended. data: a folder the user named; it wins over HONE_URL.
    """
    named = data is not None
    data = data or DataFolder(default_data_folder())
    running = data.running_state()
    url = (None if named else os.environ.get("HONE_URL")) or (running.url if running else _DEFAULT_URL)
    url = url.rstrip("/")
    key = os.environ.get("HONE_API_KEY", "").strip() or None
    if key is None and running is not None and url == running.url:
        key = data.read_admin_key()
    _check(url, key)
    return Endpoint(url, key)


def _check(url: str, key: str | None) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or " " in url:
        raise WrongInput("HONE_URL is not an http address; set it to one such as http://127.0.0.1:8400")
    if key is not None and not (key.isascii() and key.isprintable()):
        raise WrongInput("HONE_API_KEY holds characters that no key has; copy it again")
