"""Token sequences of a file of rows, in a cache that is keyed by all they depend on.

tokens.bin    int32, all sequences one after the other      starts.npy   [sequences + 1] int64, where each begins
trained.bin   bool, beside them                             weights.npy  [sequences] float32
rows.npy      [sequences] int64, the row each comes from    labels.npy   [sequences] bool, of judged answers
groups.json   their names, and group.npy [sequences] int32  about.json   sizes, digest and report, written last
"""

import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
from array import array
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from hone_trainer.tuning.data.chat import Chat
from hone_trainer.tuning.data.making import Made, Making, made_of, processes_for
from hone_trainer.tuning.data.masks import LeftOut
from hone_trainer.tuning.data.rows import Kind, lines_of
from hone_trainer.tuning.errors import DiskFull, PhaseMissing, RowsInvalid

VERSION = 1
"""Raised whenever the same rows become other sequences."""

_PACKAGES = ("tokenizers", "transformers", "jinja2")
_MOST_EXAMPLES, _MOST_DETAIL_CHARS = 5, 200
_ABOUT = "about.json"
_TELL_EVERY_S = 0.5
_STALE_AFTER_S = 24 * 3600.0
_HASHED_AT_ONCE = 1 << 20

Tell = Callable[[int, int], None]
"""Hears how many bytes of how many are read."""


class Example(BaseModel):
    model_config = ConfigDict(frozen=True)

    row: int
    detail: str = ""


class Report(BaseModel):
    """What became of the rows. ``left_out`` counts answers by the reason, ``examples`` has the first rows of each."""

    model_config = ConfigDict(frozen=True)

    rows: int = 0
    sequences: int = 0
    tokens: int = 0
    trained_tokens: int = 0
    longest: int = 0
    left_out: dict[str, int] = {}
    examples: dict[str, tuple[Example, ...]] = {}

    def figures(self) -> dict[str, Any]:
        return self.model_dump(mode="json")

    def reasons(self) -> str:
        """Why answers were left out, with the first rows of each reason; empty when none was."""
        told = []
        for reason, count in sorted(self.left_out.items(), key=lambda each: -each[1]):
            rows = ", ".join(str(each.row) for each in self.examples[reason])
            detail = self.examples[reason][0].detail
            told.append(f"{count} {reason} (rows {rows}{f': {detail}' if detail else ''})")
        return "; ".join(told)


class _About(BaseModel):
    model_config = ConfigDict(frozen=True)

    digest: str
    kind: Kind
    sizes: dict[str, int]
    report: Report


class Read(Protocol):
    """Of `base.Reading`: a fast tokenizer with its chat template, and the tokens that end an answer."""

    @property
    def tokenizer(self) -> Any: ...
    @property
    def end_ids(self) -> frozenset[int]: ...


class Tokenised:
    """Read-only. The tokens stay on disk; what there is of each sequence is in memory. Raises PhaseMissing."""

    def __init__(self, folder: Path) -> None:
        about = _about(folder)
        if about is None:
            raise PhaseMissing(folder)
        self.folder, self.digest, self.report = folder, about.digest, about.report
        self._starts: NDArray[np.int64] = np.load(folder / "starts.npy")
        self.lengths: NDArray[np.int64] = np.diff(self._starts)
        self.weights: NDArray[np.float32] = np.load(folder / "weights.npy")
        self.rows: NDArray[np.int64] = np.load(folder / "rows.npy")
        self.labels: NDArray[np.bool_] | None = (
            np.load(folder / "labels.npy") if about.kind == "kto" else None
        )
        self._group: NDArray[np.int32] = np.load(folder / "group.npy")
        self._names: list[str] = json.loads((folder / "groups.json").read_text("utf-8"))
        self._tokens: NDArray[np.int32] = _mapped(folder / "tokens.bin", np.dtype(np.int32))
        self._trained: NDArray[np.bool_] = _mapped(folder / "trained.bin", np.dtype(np.bool_))

    def __reduce__(self) -> tuple[type["Tokenised"], tuple[Path]]:
        return type(self), (self.folder,)

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def groups(self) -> list[str]:
        """Of each sequence."""
        return [self._names[each] for each in self._group]

    def tokens(self, i: int) -> NDArray[np.int32]:
        """[length]"""
        return self._tokens[self._starts[i] : self._starts[i + 1]]

    def trained(self, i: int) -> NDArray[np.bool_]:
        """[length]: this token is predicted and counts. The first never is."""
        return self._trained[self._starts[i] : self._starts[i + 1]]


def tokenise(
    rows: Path,
    reading: Read,
    *,
    kind: Kind,
    most_tokens: int,
    cache: Path,
    tell: Tell = lambda _done, _total: None,
    processes: int | None = None,
) -> Tokenised:
    """The sequences of a file, out of the cache where they are there. Sequences longer than ``most_tokens`` are left
    out. Raises RowsInvalid, TemplateUnfit, TokenisingStopped, DiskFull, and what ``tell`` raises, which ends it."""
    chat = Chat.of(reading.tokenizer, reading.end_ids)
    content = _digest_of(rows)
    digest = _key(content, chat, kind, most_tokens)
    folder = cache / digest
    if _about(folder) is None:
        cache.mkdir(parents=True, exist_ok=True)
        _sweep(cache)
        size = rows.stat().st_size
        making = Making(chat, kind, most_tokens)
        try:
            with _Writer(cache, digest, kind) as writer:
                _fill(writer, rows, making, processes or processes_for(size), tell)
                if _digest_of(rows) != content:
                    raise RowsInvalid(rows, None, "was changed while it was read")
                writer.finish(folder)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise DiskFull(cache, 2 * size) from error
            raise
    return Tokenised(folder)


def _fill(writer: "_Writer", rows: Path, making: Making, processes: int, tell: Tell) -> None:
    done, told, size = 0, -1.0, rows.stat().st_size

    def counted() -> Any:
        nonlocal done
        for number, line in lines_of(rows):
            done += len(line)
            yield number, line

    for made in made_of(rows, counted(), making, processes):
        writer.add(made)
        if time.monotonic() - told > _TELL_EVERY_S:
            told = time.monotonic()
            tell(done, size)


class _Writer:
    """A folder of the cache that is being made, gone again unless it is finished."""

    def __init__(self, cache: Path, digest: str, kind: Kind) -> None:
        self._digest, self._kind = digest, kind
        self._folder = Path(tempfile.mkdtemp(prefix=".making-", dir=cache))
        self._tokens = (self._folder / "tokens.bin").open("wb")
        self._trained = (self._folder / "trained.bin").open("wb")
        self._starts, self._rows, self._group = array("q", [0]), array("q"), array("i")
        self._weights, self._labels = array("f"), array("b")
        self._names: dict[str, int] = {}
        self._read = self._trained_tokens = self._longest = 0
        self._left_out: dict[str, int] = {}
        self._examples: dict[str, list[Example]] = {}

    def __enter__(self) -> "_Writer":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in (self._tokens, self._trained):
            with suppress(OSError):  # a full disk, which whoever wrote was told
                stream.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, made: Made) -> None:
        self._tokens.write(made.tokens.tobytes())
        self._trained.write(made.trained.tobytes())
        for length in made.lengths:
            self._starts.append(self._starts[-1] + length)
        self._rows.extend(made.rows)
        self._weights.extend(made.weights)
        self._labels.extend(made.labels)
        self._group.extend(self._names.setdefault(name, len(self._names)) for name in made.groups)
        self._read += made.read
        self._trained_tokens += int(made.trained.sum())
        self._longest = max(self._longest, *made.lengths, 0)
        for each in made.left_out:
            self._leave_out(each)

    def _leave_out(self, left: LeftOut) -> None:
        self._left_out[left.reason] = self._left_out.get(left.reason, 0) + 1
        examples = self._examples.setdefault(left.reason, [])
        if len(examples) < _MOST_EXAMPLES and all(each.row != left.row for each in examples):
            examples.append(Example(row=left.row, detail=left.detail[:_MOST_DETAIL_CHARS]))

    def finish(self, target: Path) -> None:
        """It becomes ``target``; where another process was faster, that one's stays, which is the same."""
        arrays: dict[str, NDArray[Any]] = {
            "starts": np.array(self._starts, np.int64),
            "rows": np.array(self._rows, np.int64),
            "group": np.array(self._group, np.int32),
            "weights": np.array(self._weights, np.float32),
            "labels": np.array(self._labels, np.bool_),
        }
        for name, each in arrays.items():
            np.save(self._folder / f"{name}.npy", each)
        (self._folder / "groups.json").write_text(json.dumps(list(self._names)), "utf-8")
        for stream in (self._tokens, self._trained):
            stream.close()
        for path in self._folder.iterdir():
            _synced(path)
        about = _About(
            digest=self._digest, kind=self._kind, sizes=_sizes(self._folder), report=self._report()
        )
        (self._folder / _ABOUT).write_text(about.model_dump_json(indent=1) + "\n", "utf-8")
        _synced(self._folder / _ABOUT)
        if _about(target) is None:
            shutil.rmtree(target, ignore_errors=True)  # damaged
            try:
                self._folder.rename(target)
            except OSError:
                if _about(target) is None:
                    raise
        _synced(target.parent)

    def _report(self) -> Report:
        return Report(
            rows=self._read,
            sequences=len(self._rows),
            tokens=self._starts[-1],
            trained_tokens=self._trained_tokens,
            longest=self._longest,
            left_out=self._left_out,
            examples={reason: tuple(each) for reason, each in self._examples.items()},
        )


def _about(folder: Path) -> _About | None:
    """None where there is no folder, or one that is not whole."""
    try:
        about = _About.model_validate_json((folder / _ABOUT).read_bytes())
        return about if about.sizes == _sizes(folder) else None
    except (OSError, ValidationError):
        return None


def _sizes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.name != _ABOUT}


def _mapped(path: Path, dtype: "np.dtype[Any]") -> NDArray[Any]:
    """An empty file cannot be mapped."""
    return np.memmap(path, dtype, "r") if path.stat().st_size else np.empty(0, dtype)


def _digest_of(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while piece := stream.read(_HASHED_AT_ONCE):
                digest.update(piece)
    except OSError as error:
        raise RowsInvalid(path, None, f"cannot be read: {error}") from error
    return digest.hexdigest()


def _key(content: str, chat: Chat, kind: Kind, most_tokens: int) -> str:
    """Of all that the sequences depend on."""
    form = chat.form
    told = [
        content, hashlib.sha256(form.tokenizer.encode()).hexdigest(), form.template, form.special, sorted(form.ends),
        form.begin, kind, most_tokens, VERSION, {name: version(name) for name in _PACKAGES},
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _sweep(cache: Path) -> None:
    """What processes left behind that were killed."""
    for path in cache.glob(".making-*"):
        try:
            if time.time() - path.stat().st_mtime > _STALE_AFTER_S:
                shutil.rmtree(path, ignore_errors=True)
        except OSError:  # another one sweeps, too
            continue


def _synced(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
