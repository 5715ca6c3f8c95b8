"""Whom we ask, as whom, and what an answer means that is none."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from pydantic import SecretStr

from hone_hub.huggingface import errors

DEFAULT_ENDPOINT = "https://huggingface.co"
_CONNECT_S = 5.0
_STATUS_SLOW = 408
_STATUS_BUSY = 429
_STATUS_SERVER = 500


@dataclass(frozen=True)
class HubAccess:
    """``endpoint`` is the hub's address, or a mirror's. Without ``token`` we are a stranger, whatever the machine's
    user keeps in files: what a service may read is for its settings to say."""

    endpoint: str = DEFAULT_ENDPOINT
    token: SecretStr | None = None

    @property
    def token_text(self) -> str | bool:
        """As huggingface_hub takes it."""
        return False if self.token is None else self.token.get_secret_value()

    def check_reachable(self) -> None:
        """Raises HubUnreachable. The client itself would go on trying for minutes, which suits no question.

        Behind a proxy there is nothing to see this way.
        """
        parts = urlsplit(self.endpoint)
        if parts.scheme in getproxies() or parts.hostname is None:
            return
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            socket.create_connection((parts.hostname, port), timeout=_CONNECT_S).close()
        except OSError as error:
            raise errors.HubUnreachable(self.endpoint, error.strerror or str(error)) from error

    @contextmanager
    def asking(self, repository: str, revision: str | None = None, path: str = "") -> Iterator[None]:
        """Raises HuggingFaceErrors for the client's own. Imports the client, which takes a moment the first time."""
        import httpx2  # noqa: PLC0415
        from huggingface_hub import errors as theirs  # noqa: PLC0415

        try:
            yield
        except theirs.GatedRepoError as error:
            raise errors.RepositoryGated(repository, self.endpoint, self.token is not None) from error
        except theirs.RepositoryNotFoundError as error:
            raise errors.RepositoryMissing(repository, self.endpoint, self.token is not None) from error
        except theirs.RevisionNotFoundError as error:
            raise errors.RevisionMissing(repository, revision or "") from error
        except theirs.RemoteEntryNotFoundError as error:
            raise errors.RepositoryFileMissing(repository, path) from error
        except theirs.HfHubHTTPError as error:
            raise self._meaning(error, repository) from error
        except (httpx2.TooManyRedirects, httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
            raise errors.HubSaysNonsense(self.endpoint, f"it redirects nowhere ({error})") from error
        except httpx2.HTTPError as error:
            raise errors.HubUnreachable(self.endpoint, str(error) or type(error).__name__) from error

    def _meaning(self, error: Any, repository: str) -> errors.HuggingFaceError:
        status = error.response.status_code if error.response is not None else _STATUS_SERVER
        said = re.sub(r"\s+", " ", str(error.server_message or f"status {status}"))
        if status == _STATUS_BUSY:
            return errors.HubBusy(self.endpoint, _retry_after_s(error.response.headers))
        if status >= _STATUS_SERVER or status == _STATUS_SLOW:
            return errors.HubBroken(self.endpoint, said)
        if status == 401:
            if self.token is None:
                return errors.RepositoryMissing(repository, self.endpoint, has_token=False)
            return errors.TokenRefused(self.endpoint)
        return errors.HubRefuses(self.endpoint, said, status)


def _retry_after_s(headers: Any) -> float:
    """In the two spellings that hubs have; 0 where neither is there."""
    from huggingface_hub.utils._http import parse_ratelimit_headers  # noqa: PLC0415

    told = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", told):
        return float(told)
    limit = parse_ratelimit_headers(headers)
    return float(limit.reset_in_seconds) if limit is not None and limit.remaining == 0 else 0.0
