"""Checkpoints that are complete or not there, and that go on with the same run alone.

Each is a folder ``step-SSSSSSSS-fence-FFFF``: a safetensors file for each group of tensors, ``state.json``, and,
written last, ``manifest.json`` with the size and sha256 of each of these and what the run is made of. The folder gets
its name when all of it is on the disk. What is torn, changed or half-written all the same is passed over and told.
"""

import errno
import hashlib
import json
import os
import platform
import re
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from hone_trainer.tuning.errors import DiskFull, ResumeDiffers, TakenUpByAnother

MAX_MANIFEST_BYTES = 1 << 20
MAX_STATE_BYTES = 64 << 20
_SPARE_BYTES = 64 << 20  # a disk filled to the last byte stops more than this run
_MANIFEST, _STATE = "manifest.json", "state.json"
_NAME = re.compile(r"step-(\d{8,15})-fence-(\d{4,15})")
_GROUP = re.compile(r"[a-z][a-z0-9_]{0,40}")
_TENSORS = ".safetensors"
_FULL = (errno.ENOSPC, errno.EDQUOT)
_PART, _OLD = ".part", ".old"
_PACKAGES = ("hone-trainer", "torch", "transformers", "peft", "bitsandbytes", "numpy", "safetensors")


def versions() -> dict[str, str]:
    """Of what decides the numbers of a run."""
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True)
class Identity:
    """What a run that goes on must have in common with the one that wrote the checkpoint.

    ``data`` and ``base`` are digests. ``world``: processes together, for another number is another sum.
    """

    data: str
    base: str
    settings: Mapping[str, Any]
    seed: int
    world: int
    versions: Mapping[str, str]

    @classmethod
    def of(cls, *, data: str, base: str, settings: Mapping[str, Any], seed: int, world: int) -> "Identity":
        """With the versions that run here."""
        return cls(data, base, settings, seed, world, versions())

    def as_json(self) -> dict[str, Any]:
        """As it reads back from a file."""
        found: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return found

    def check(self, folder: Path, then: object) -> None:
        """Raises ResumeDiffers, which names the first of what is different."""
        was, now = _flat(then), _flat(self.as_json())
        for name in (*now, *was):
            if was.get(name) != now.get(name):
                raise ResumeDiffers(folder, name, was.get(name), now.get(name))


def _flat(identity: object) -> dict[str, Any]:
    """``settings.batch`` and the like."""
    found: dict[str, Any] = {}
    for name, value in identity.items() if isinstance(identity, dict) else ():
        parts = {f"{name}.{each}": part for each, part in value.items()} if isinstance(value, dict) else None
        found.update({name: value} if parts is None else parts)
    return found


@dataclass(frozen=True)
class Loaded:
    """A checkpoint as it was saved; the tensors are on the CPU."""

    path: Path
    step: int
    tensors: dict[str, dict[str, Tensor]]
    state: dict[str, Any]


class Checkpoints:
    """Those of one run. ``fence`` counts its workers; the ``keep`` newest stay on the disk."""

    def __init__(self, folder: Path, identity: Identity, keep: int = 2, *, fence: int = 1) -> None:
        self._folder, self._identity, self._keep, self._fence = folder, identity, keep, fence
        self.passed_over: dict[str, str] = {}
        """Name of each checkpoint that `newest` could not use, and why."""
        self._good: set[Path] = set()  # written or read through by this process

    def save(self, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> Path:
        """Write one, whole or not at all, and drop those that are no longer needed. One that this worker wrote for
        the same step is replaced. Raises DiskFull, TakenUpByAnother."""
        final = self._folder / f"step-{step:08d}-fence-{self._fence:04d}"
        part = _aside(final, _PART)
        if later := [path for path in self._found() if _fence(path) > self._fence]:
            raise TakenUpByAnother(later[-1])
        size_bytes = sum(
            each.numel() * each.element_size() for group in tensors.values() for each in group.values()
        )
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._drop_unfinished()
            if shutil.disk_usage(self._folder).free < size_bytes + _SPARE_BYTES:
                raise DiskFull(self._folder, size_bytes + _SPARE_BYTES)
            part.mkdir()
            _write(part, step, tensors, state, self._identity)
            self._put_in_place(part, final)
        except (OSError, SafetensorError) as error:
            if is_full(error):
                raise DiskFull(self._folder, size_bytes + _SPARE_BYTES) from error
            raise
        finally:
            shutil.rmtree(part, ignore_errors=True)
        self._good.add(final)
        self._prune()
        return final

    def newest(self) -> Loaded | None:
        """The last that is whole. Raises ResumeDiffers where that one is of another run."""
        for path in reversed(self._found()):
            manifest = read_manifest(path)
            if isinstance(manifest, str):
                self.passed_over[path.name] = manifest
                continue
            self._identity.check(path, manifest["identity"])
            self._good.add(path)
            return _load(path, manifest)
        return None

    def _put_in_place(self, part: Path, final: Path) -> None:
        old = _aside(final, _OLD)
        if final.exists():  # of the same step, before the run went back and came again
            final.rename(old)
        part.rename(final)
        _sync(self._folder)
        shutil.rmtree(old, ignore_errors=True)

    def _found(self) -> list[Path]:
        """From the first step to the last, and from the first worker to the last."""
        if not self._folder.is_dir():
            return []
        named = ((_NAME.fullmatch(each.name), each) for each in self._folder.iterdir())
        return [path for _, path in sorted(((int(m[1]), int(m[2])), path) for m, path in named if m)]

    def _prune(self) -> None:
        """Those that are no newest ones. What is torn takes no place among these, for it would be nothing to go back
        to; what another worker wrote is read through for that once."""
        good: list[Path] = []
        for path in reversed(self._found()):
            whole = path in self._good or not isinstance(read_manifest(path), str)
            if whole and len(good) < self._keep:
                good.append(path)
                self._good.add(path)
                continue
            self._good.discard(path)
            # Out of sight first: half of a checkpoint that is being dropped is none.
            gone = _aside(path, _OLD)
            path.rename(gone)
            _drop(gone)

    def _drop_unfinished(self) -> None:
        """What workers before this one were writing when they were killed, and itself before it was started again."""
        for path in self._folder.glob(".step-*"):
            named = path.with_name(path.stem.removeprefix("."))
            if path.suffix in (_PART, _OLD) and _NAME.fullmatch(named.name) and _fence(named) <= self._fence:
                _drop(path)


def read_manifest(path: Path) -> dict[str, Any] | str:
    """The manifest of a folder whose files are all as it says, or what is wrong."""
    try:
        if path.is_symlink() or not path.is_dir():
            return "is no folder"
        with (path / _MANIFEST).open("rb") as stream:
            raw = stream.read(MAX_MANIFEST_BYTES + 1)
        manifest: dict[str, Any] = json.loads(raw)["manifest"]
        # Byte by byte what would be written for it: nothing is torn off, added or changed.
        if raw != _sealed(manifest):
            return f"{_MANIFEST} was changed"
        files = manifest["files"]
        if {each.name for each in path.iterdir()} != {*files, _MANIFEST} or _STATE not in files:
            return "a file is missing, or one too many"
        wrong = next((name for name, told in files.items() if not _is_as_told(path / name, told)), None)
        return manifest if wrong is None else f"{wrong} was changed"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return f"{_MANIFEST} is torn, or none"


def _is_as_told(file: Path, told: Mapping[str, Any]) -> bool:
    group = file.name.removesuffix(_TENSORS)
    ours = file.name == _STATE or (group != file.name and _GROUP.fullmatch(group) is not None)
    if not ours or file.is_symlink() or not file.is_file():
        return False
    small = file.name != _STATE or file.stat().st_size <= MAX_STATE_BYTES
    return small and file.stat().st_size == told["size_bytes"] and _seen(file) == told


def _write(
    part: Path,
    step: int,
    tensors: Mapping[str, Mapping[str, Tensor]],
    state: Mapping[str, Any],
    identity: Identity,
) -> None:
    for group, named in tensors.items():
        if not _GROUP.fullmatch(group):
            raise ValueError(f"no name for a file: {group!r}")
        # A copy each: two names of one tensor (tied weights) are none of safetensors.
        whole = {name: each.detach().to("cpu", copy=True).contiguous() for name, each in named.items()}
        save_file(whole, part / f"{group}{_TENSORS}")
    (part / _STATE).write_text(json.dumps(state) + "\n", encoding="utf-8")
    files = {each.name: _seen(each) for each in sorted(part.iterdir())}
    for name in files:
        _sync(part / name)
    (part / _MANIFEST).write_bytes(_sealed({"step": step, "identity": identity.as_json(), "files": files}))
    _sync(part / _MANIFEST)
    _sync(part)


def _load(path: Path, manifest: Mapping[str, Any]) -> Loaded:
    groups = [name.removesuffix(_TENSORS) for name in manifest["files"] if name != _STATE]
    tensors = {group: load_file(path / f"{group}{_TENSORS}") for group in groups}
    return Loaded(path, int(manifest["step"]), tensors, json.loads((path / _STATE).read_bytes()))


def _sealed(manifest: Mapping[str, Any]) -> bytes:
    """With its own digest, so that a changed byte is seen wherever it is."""
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    return json.dumps({"manifest": manifest, "sha256": digest}, sort_keys=True, indent=1).encode() + b"\n"


def is_full(error: Exception) -> bool:
    """Whether the disk was full."""
    if isinstance(error, OSError):
        return error.errno in _FULL
    return any(f"(os error {number})" in str(error) for number in _FULL)  # as Rust words it


def _seen(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        return {
            "size_bytes": file.stat().st_size,
            "sha256": hashlib.file_digest(stream, "sha256").hexdigest(),
        }


def _fence(path: Path) -> int:
    return int(path.name.rpartition("-")[2])


def _aside(path: Path, ending: str) -> Path:
    return path.with_name(f".{path.name}{ending}")


def _drop(path: Path) -> None:
    """Whatever it is: a folder as ours, or what somebody else put there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
