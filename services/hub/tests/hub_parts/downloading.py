"""Downloads in tests: from a local hub, of a few megabytes."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest
from local_hub import LocalHub
from lying import lying_bytes
from pydantic import SecretStr

from hone_contracts.huggingface import RepositoryFile
from hone_hub.downloads.downloads import Downloads, Wanted
from hone_hub.huggingface.access import HubAccess
from hone_hub.refusals import Refused
from hone_hub.work import Step

REPOSITORY = "acme/tiny-GGUF"
FILE = "tiny-Q8_0.gguf"
CONTENT = os.urandom(3_000_000)
SMALL = b'{"architectures": ["LlamaForCausalLM"]}'


class Told(list[Step]):
    async def __call__(self, step: Step) -> None:
        self.append(step)


def a_hub(local: LocalHub) -> LocalHub:
    local.add(REPOSITORY, {FILE: CONTENT, "config.json": SMALL, "sub/dir/second.gguf": CONTENT[:500_000]})
    return local


def downloads(hub: LocalHub, folder: Path, *, spare_bytes: int = 0, token: str | None = None) -> Downloads:
    access = HubAccess(hub.url, SecretStr(token) if token else None)
    return Downloads(folder / "cache", access, spare_bytes=spare_bytes)


def wanted(hub: LocalHub, *paths: str, repository: str = REPOSITORY) -> Wanted:
    kept = hub.repositories[repository]
    files = [kept.files[path] for path in paths or (FILE,)]
    return Wanted(
        repository,
        kept.commit,
        tuple(
            RepositoryFile(
                path=file.path,
                size_bytes=file.size,
                sha256=file.sha256 if file.is_lfs else None,
                blob_id=file.blob_id,
            )
            for file in files
        ),
    )


async def refusal(loads: Downloads, what: Wanted) -> str:
    with pytest.raises(Refused) as refused:
        await loads.fetch(what, Told())
    body = refused.value.body()
    assert body.detail.count("; ") >= 1, "it says what to do"
    return body.code


async def worker_process() -> psutil.Process | None:
    children = psutil.Process().children(recursive=True)
    return next((each for each in children if "hone_hub.downloads.worker" in each.cmdline()), None)


async def ready(what: bool) -> bool:
    return what


def part_bytes(folder: Path) -> int:
    return lying_bytes(folder, ".part")
