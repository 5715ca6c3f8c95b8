"""What a person calls a model to be added, and what it then is called."""

import re
from dataclasses import dataclass
from pathlib import Path

from hone_contracts.huggingface import REPOSITORY
from hone_hub.adding.errors import BadSource
from hone_hub.file_roots import FileRoots

_OLLAMA = "ollama:"
_FILE = "file:"
_PART = r"[A-Za-z0-9_][A-Za-z0-9._-]{0,79}"
_LIBRARY_NAME = re.compile(rf"(?:{_PART}(?::[0-9]{{1,5}})?/)?(?:{_PART}/)?{_PART}(?::{_PART})?")
"""``qwen3:8b``, ``owner/name``, or with the address of a library of one's own before it."""
_HUGGING_FACE = ("hf.co/", "huggingface.co/")
_SHARD = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.IGNORECASE)
_MOST_SHARDS = 1000
_FOREIGN = re.compile(r"[^A-Za-z0-9._-]+")
_MOST_NAME_CHARS = 80


@dataclass(frozen=True)
class Repository:
    name: str


@dataclass(frozen=True)
class LocalFile:
    """``paths``: the file, or all of its shards in their order."""

    paths: tuple[Path, ...]

    @property
    def stem(self) -> str:
        """Of its name, without what counts shards."""
        shard = _SHARD.fullmatch(self.paths[0].name)
        return shard["stem"] if shard else self.paths[0].stem


@dataclass(frozen=True)
class LocalFolder:
    path: Path


@dataclass(frozen=True)
class LibraryName:
    """Of Ollama's library, or another that its server knows."""

    name: str


Source = Repository | LocalFile | LocalFolder | LibraryName


def read(text: str, roots: FileRoots) -> Source:
    """Raises BadSource, NotFileUri, OutsideRoots."""
    if text.startswith(_OLLAMA):
        name = text.removeprefix(_OLLAMA)
        if name.startswith(_HUGGING_FACE):
            raise BadSource(text, f"that is {name.partition('/')[2]} of Hugging Face")
        if not _LIBRARY_NAME.fullmatch(name):
            raise BadSource(text, "Ollama's library has names such as qwen2.5-coder:7b")
        return LibraryName(name)
    if text.startswith(_FILE):
        return _local(text, roots.path_of(text))
    if not re.fullmatch(REPOSITORY, text):
        raise BadSource(text, "this is no owner/name of a repository")
    return Repository(text)


def _local(text: str, path: Path) -> LocalFile | LocalFolder:
    if path.is_dir():
        if not any(path.glob("*.safetensors")) and (found := sorted(path.glob("*.gguf"))):
            raise BadSource(text, f"it holds GGUF files; name one, such as {found[0].name}")
        return LocalFolder(path)
    if not path.is_file():
        raise BadSource(text, "there is no such file or folder, as seen from the hub's machine")
    if path.suffix.lower() != ".gguf":
        raise BadSource(text, f"{path.name} is neither a folder nor a .gguf file")
    return LocalFile(_shards(text, path))


def _shards(text: str, path: Path) -> tuple[Path, ...]:
    shard = _SHARD.fullmatch(path.name)
    if shard is None:
        return (path,)
    count = int(shard["count"])
    if not 1 <= count <= _MOST_SHARDS:
        raise BadSource(text, f"a model in {count} shards")
    paths = [
        path.with_name(f"{shard['stem']}-{number:05}-of-{count:05}{path.suffix}")
        for number in range(1, count + 1)
    ]
    missing = [each.name for each in paths if not each.is_file()]
    if missing:
        raise BadSource(text, f"{missing[0]} is missing beside it ({len(missing)} of {count} shards are)")
    return tuple(paths)


def default_name(of: str, quant: str | None) -> str:
    """``Qwen/Qwen2.5-Coder-7B-Instruct-GGUF`` at Q4_K_M is ``qwen2.5-coder-7b-instruct:q4_k_m``.

    A quantization that the name ends with already stands behind the colon alone."""
    name = of.rpartition("/")[2].lower()
    tag = _part(quant.lower()) if quant else ""
    for ending in ("-gguf", "_gguf", ".gguf"):
        name = name.removesuffix(ending)
    if tag and name.endswith(tag):
        name = name.removesuffix(tag).rstrip("-_.")
    return f"{_part(name)}:{tag}" if tag else _part(name)


def _part(text: str) -> str:
    """What providers take as one part of a name."""
    return _FOREIGN.sub("-", text).strip(".-")[:_MOST_NAME_CHARS] or "model"
