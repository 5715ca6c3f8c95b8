"""What the hub says of one repository: bounded, and in our words."""

import json
from collections.abc import Iterator
from typing import Any

from hone_contracts.huggingface import RepositoryFile
from hone_hub.downloads.store import check_name
from hone_hub.huggingface.access import HubAccess
from hone_hub.huggingface.errors import HubSaysNonsense
from hone_hub.huggingface.grouping import Files
from hone_hub.huggingface.remote_file import Budget, RemoteFile

_MOST_FILES = 10_000
_MOST_CONFIG_BYTES = 1 << 20


def info_of(access: HubAccess, repository: str, revision: str | None) -> Any:
    """The client's ``ModelInfo``. Raises HuggingFaceError."""
    from huggingface_hub import HfApi  # noqa: PLC0415 (it takes a moment)

    api = HfApi(endpoint=access.endpoint, token=access.token_text, library_name="hone")
    with access.asking(repository, revision):
        info = api.model_info(repository, revision=revision, files_metadata=True)
    if not isinstance(info.sha, str) or not info.sha.isalnum():
        raise HubSaysNonsense(access.endpoint, "a repository without a commit")
    return info


def files_of(access: HubAccess, info: Any, repository: str) -> Iterator[RepositoryFile]:
    """Raises HubSaysNonsense, UnsafeFileName."""
    siblings = info.siblings or []
    if len(siblings) > _MOST_FILES:
        raise HubSaysNonsense(access.endpoint, f"a repository of {len(siblings)} files")
    for each in siblings:
        path, size = str(each.rfilename), each.size
        check_name(repository, path)
        sha256 = getattr(each.lfs, "sha256", None) if each.lfs is not None else None
        yield RepositoryFile(
            path=path,
            size_bytes=size if type(size) is int and 0 <= size < 1 << 50 else 0,
            sha256=sha256 if isinstance(sha256, str) and _is_hex(sha256, 64) else None,
            blob_id=each.blob_id if isinstance(each.blob_id, str) and _is_hex(each.blob_id, 40) else None,
        )


def config_of(access: HubAccess, info: Any, files: Files) -> dict[str, Any]:
    """The whole of config.json, where there are safetensors to convert. Raises HuggingFaceError."""
    stored = next((file for file in files.beside if file.path == "config.json"), None)
    if stored is None or not files.safetensors or stored.size_bytes > _MOST_CONFIG_BYTES:
        return {}
    budget = Budget(2 * _MOST_CONFIG_BYTES)
    content = RemoteFile(access, str(info.id), str(info.sha), stored, budget).read(stored.size_bytes)
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_hex(text: str, length: int) -> bool:
    return len(text) == length and all(letter in "0123456789abcdef" for letter in text)
