"""Everything the hub refuses, and what a person can do about it."""

from __future__ import annotations

from pathlib import Path


class HubError(Exception):
    """Base of the hub's errors. The text is one line: what is wrong, then what to do next.

    ``status`` is HTTP's word for it, ``exit_code`` that of the command line. What is ``transient`` may work later.
    """

    exit_code = 1
    status = 422
    transient = False

    def __init__(self, problem: str, advice: str) -> None:
        super().__init__(f"{problem}; {advice}" if advice else problem)
        self.problem = problem
        self.advice = advice


class FileMissing(HubError):
    """A path that was given does not exist."""

    exit_code = 3
    status = 404

    def __init__(self, path: Path, advice: str) -> None:
        super().__init__(f"{path} does not exist", advice)
        self.path = path


class FileUnreadable(HubError):
    """The operating system refused a read or a write."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"{path}: {error.strerror or error}", "check the path, its permissions and the disk")
        self.path = path
        self.errno = error.errno


class GGUFError(HubError):
    """A GGUF file that must not reach a loader. `offset` is the byte at which it went wrong."""

    advice_by_default = "download or convert the file again"

    def __init__(self, problem: str, offset: int | None = None, advice: str | None = None) -> None:
        where = "" if offset is None else f" (at byte {offset})"
        super().__init__(f"{problem}{where}", self.advice_by_default if advice is None else advice)
        self.offset = offset


class NotGGUF(GGUFError):
    """The file does not begin with the four letters GGUF."""

    advice_by_default = "give a .gguf file, or a safetensors folder to `hone hub convert`"


class TruncatedGGUF(GGUFError):
    """The file ends before what its header promises."""

    advice_by_default = "the download or copy was cut short: fetch the file again"


class CorruptGGUF(GGUFError):
    """The header contradicts itself, the file's size or the format."""

    advice_by_default = "do not load this file; fetch it again from a source you trust"


class UnsupportedGGUF(GGUFError):
    """A real GGUF of a kind that Hone does not read: an old or new version, big-endian, beyond the limits."""

    advice_by_default = "convert the model again with a current converter"


class ConversionError(HubError):
    """Base of what stops a conversion."""


class SourceInvalid(ConversionError):
    """The model folder lacks something, or a file in it is malformed."""


class SourceUnsafe(ConversionError):
    """The model folder holds something that is never opened: pickles, own code, paths that lead out of it."""


class ModelUnsupported(ConversionError):
    """An architecture, or an option of one, that the converter does not know."""


class TokenizerUnsupported(ConversionError):
    """A tokenizer that llama.cpp would not reproduce exactly, as far as the converter can tell."""


class WeightsUnusable(ConversionError):
    """Weights that are not numbers, or that the chosen quantization cannot hold."""


class QuantizerUnusable(ConversionError):
    """The engine's quantizers are not those that are known."""

    status = 500

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"llama.cpp's quantizers cannot be used: {reason}",
            "install the version of xllamacpp that Hone names",
        )
        self.reason = reason


class TargetExists(ConversionError):
    """The output file is there already."""

    status = 409

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} exists already", "choose another name, or add --force to replace it")
        self.path = path


class DiskFull(ConversionError):
    """Not enough room for the output, found before anything is written."""

    status = 507

    def __init__(self, path: Path, needed_bytes: int, free_bytes: int) -> None:
        super().__init__(
            f"{path.parent} has {free_bytes} bytes free and the file needs {needed_bytes}",
            "free some space or write to another disk",
        )
        self.needed_bytes = needed_bytes
        self.free_bytes = free_bytes


class SelfCheckFailed(ConversionError):
    """The file just written does not pass Hone's own reader; it was removed again."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"the converted file failed its check: {reason}", "please report this with the model's name"
        )
        self.reason = reason


class NotFileUri(HubError):
    """A URI that names no file on the hub's disk."""

    def __init__(self, uri: str) -> None:
        super().__init__(
            f"{uri[:200]!r} names no file here", "write file:///path, as seen from the hub's machine"
        )
        self.uri = uri


class OutsideRoots(HubError):
    """A file, or what a symbolic link leads to, that the hub was not given."""

    status = 403

    def __init__(self, path: Path, roots: tuple[Path, ...]) -> None:
        allowed = ", ".join(str(root) for root in roots)
        super().__init__(
            f"{path} is outside the hub's folders ({allowed})", "move it there, or set HONE_FILE_ROOTS"
        )
        self.path = path


class TargetNotGGUF(ConversionError):
    """A conversion writes files that are called what they are, and so can replace no others."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path.name} is no name for a GGUF file", "let it end in .gguf")
        self.path = path


class WorkerDied(HubError):
    """The process that did the work ended without a word."""

    status = 500

    def __init__(self, status: int, last_lines: str) -> None:
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        super().__init__(
            f"the process that reads the file {how}" + (f": {last_lines}" if last_lines else ""),
            "check the machine's memory and the hub's log",
        )
        self.ended_with = status


class TookTooLong(HubError):
    """The file was not read in time."""

    status = 504

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"no answer within {limit_s:g} s", "is it a regular file on a disk that answers?")
        self.limit_s = limit_s
