"""What a repository holds, and what the hub's API tells of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

_LFS = (".gguf", ".safetensors", ".bin", ".pt", ".pth", ".model", ".onnx", ".msgpack", ".h5")
_LFS_FROM_BYTES = 10 << 20

Json = dict[str, Any]


@dataclass(frozen=True)
class StoredFile:
    """Bytes, or a file of this machine, under a name in a repository."""

    path: str
    content: bytes | Path

    @cached_property
    def size(self) -> int:
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size

    @cached_property
    def is_lfs(self) -> bool:
        return self.path.endswith(_LFS) or self.size >= _LFS_FROM_BYTES

    @cached_property
    def sha256(self) -> str:
        if isinstance(self.content, bytes):
            return hashlib.sha256(self.content).hexdigest()
        with self.content.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @cached_property
    def blob_id(self) -> str:
        """Git's name of the file, or of the pointer that stands for a large one."""
        if self.is_lfs:
            pointer = (
                f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {self.size}\n"
            )
            return _git_blob(pointer.encode())
        return _git_blob(self.read(0, self.size))

    @property
    def etag(self) -> str:
        return self.sha256 if self.is_lfs else self.blob_id

    def read(self, start: int, end: int) -> bytes:
        if isinstance(self.content, bytes):
            return self.content[start:end]
        with self.content.open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    def lfs(self) -> Json | None:
        return (
            {"oid": self.sha256, "sha256": self.sha256, "size": self.size, "pointerSize": 134}
            if self.is_lfs
            else None
        )


def _git_blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@dataclass
class Repository:
    """``told`` is merged into what the API says of it, and wins: a hub may say anything."""

    id: str
    files: dict[str, StoredFile]
    gated: bool = False
    private: bool = False
    licence: str | None = "apache-2.0"
    downloads: int = 0
    likes: int = 0
    updated_at: datetime = datetime(2026, 11, 1, tzinfo=UTC)
    gguf: Json | None = None
    safetensors: Json | None = None
    tags: tuple[str, ...] = ()
    library: str | None = "transformers"
    pipeline_tag: str | None = "text-generation"
    branches: tuple[str, ...] = ("main",)
    told: Json = field(default_factory=dict)

    @cached_property
    def commit(self) -> str:
        names = "".join(f"{name}{file.etag}" for name, file in sorted(self.files.items()))
        return hashlib.sha1(f"{self.id}{names}".encode(), usedforsecurity=False).hexdigest()

    def knows(self, revision: str) -> bool:
        return revision in self.branches or revision == self.commit

    def config(self) -> Json | None:
        """Of config.json, as the hub keeps it: the architecture and the type."""
        stored = self.files.get("config.json")
        if stored is None:
            return None
        try:
            config = json.loads(stored.read(0, stored.size))
        except ValueError:
            return None
        kept = ("architectures", "model_type", "quantization_config", "auto_map")
        return {key: config[key] for key in kept if key in config} if isinstance(config, dict) else None

    def document(self, expand: set[str], blobs: bool) -> Json:
        """As ``/api/models/o/r`` gives it: a few fields unless ``expand`` names them."""
        every: Json = {
            "sha": self.commit,
            "lastModified": self.updated_at.isoformat().replace("+00:00", "Z"),
            "createdAt": self.updated_at.isoformat().replace("+00:00", "Z"),
            "private": self.private,
            "gated": "auto" if self.gated else False,
            "disabled": False,
            "downloads": self.downloads,
            "downloadsAllTime": self.downloads,
            "likes": self.likes,
            "tags": [
                *self.tags,
                *([f"license:{self.licence}"] if self.licence else []),
                *(["gguf"] if any(name.endswith(".gguf") for name in self.files) else []),
                *(["safetensors"] if any(name.endswith(".safetensors") for name in self.files) else []),
            ],
            "library_name": self.library,
            "pipeline_tag": self.pipeline_tag,
            "cardData": {"license": self.licence} if self.licence else None,
            "config": self.config(),
            "gguf": self.gguf,
            "safetensors": self.safetensors,
            "siblings": [self._sibling(file, blobs) for _, file in sorted(self.files.items())],
        } | self.told
        wanted = expand or set(every) - {"gguf", "safetensors", "downloadsAllTime"}
        kept = {key: value for key, value in every.items() if key in wanted and value is not None}
        return {
            "_id": "0" * 24,
            "id": self.id,
            "modelId": self.id,
            "author": self.id.split("/", maxsplit=1)[0],
        } | kept

    def _sibling(self, file: StoredFile, blobs: bool) -> Json:
        more: Json = {"size": file.size, "blobId": file.blob_id} if blobs else {}
        if blobs and (lfs := file.lfs()):
            more["lfs"] = lfs
        return {"rfilename": file.path} | more

    def tree(self, folder: str, recursive: bool) -> list[Json]:
        prefix = f"{folder.strip('/')}/" if folder.strip("/") else ""
        found: dict[str, Json] = {}
        for name, file in sorted(self.files.items()):
            if not name.startswith(prefix):
                continue
            head, slash, _ = name.removeprefix(prefix).partition("/")
            if slash:
                path = prefix + head
                found.setdefault(path, {"type": "directory", "oid": "0" * 40, "size": 0, "path": path})
                if not recursive:
                    continue
            entry: Json = {"type": "file", "oid": file.blob_id, "size": file.size, "path": name}
            if lfs := file.lfs():
                entry["lfs"] = lfs
            found[name] = entry
        return list(found.values())


def stored(files: Mapping[str, bytes | str | Path]) -> dict[str, StoredFile]:
    return {
        name: StoredFile(name, content.encode() if isinstance(content, str) else content)
        for name, content in files.items()
    }
