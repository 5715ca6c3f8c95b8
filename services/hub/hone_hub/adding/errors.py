"""Why a model is not added, or not removed, and what to do about it."""

from collections.abc import Sequence

from hone_hub.errors import HubError


class AddingError(HubError):
    """Base of what stops an addition or a removal."""


class BadSource(AddingError):
    """This names no model that could be brought."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(
            f"{source[:200]!r} names no model: {reason}",
            "give owner/name of Hugging Face, ollama:NAME, a .gguf file or a folder of safetensors",
        )
        self.source = source


class BadChoice(AddingError):
    """Two things that were asked for do not go together."""


class NotSupported(AddingError):
    """Nothing here can run it. The reason says what to do instead."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"{source} cannot be added: {reason}", "")
        self.source = source


class TooLargeForMachine(AddingError):
    """It is predicted not to fit into any card, nor into memory."""

    status = 507

    def __init__(self, source: str, quant: str, needed_bytes: int, places: Sequence[tuple[str, int]]) -> None:
        there = ", ".join(f"{name} has {_gb(free)} free" for name, free in places) or "no memory is known of"
        super().__init__(
            f"{source} as {quant} takes about {_gb(needed_bytes)}: {there}",
            "choose a smaller quantization (--quant), a shorter context (--context), or add it all the same "
            "(--force)",
        )
        self.needed_bytes = needed_bytes


class NothingFits(AddingError):
    """None of a repository's files can be chosen."""

    status = 507

    def __init__(self, source: str, reasons: Sequence[str]) -> None:
        super().__init__(
            f"no file of {source} can be chosen: {'; '.join(reasons[:6]) or 'it has none'}",
            f"see `hone hub inspect {source}`, and name one with --quant",
        )


class UnknownQuant(AddingError):
    """The quantization that was asked for is not there, or broken."""

    def __init__(self, source: str, reasons: Sequence[str]) -> None:
        super().__init__(f"{source}: {'; '.join(reasons[:3])}", "name one of them, or leave --quant away")


class NotEnoughDisk(AddingError):
    """Everything that would be written does not fit, found before the first byte comes."""

    status = 507

    def __init__(self, folder: str, needed_bytes: int, free_bytes: int, spare_bytes: int) -> None:
        super().__init__(
            f"{_gb(needed_bytes)} would be written to {folder}, which has {_gb(free_bytes)} free, of which "
            f"{_gb(spare_bytes)} stay free",
            "free some space (`hone hub rm`), choose a smaller quantization, or lower HONE_SPARE_DISK_BYTES",
        )
        self.needed_bytes, self.free_bytes = needed_bytes, free_bytes


class NoOllama(AddingError):
    """It was asked for, and none answers. Nothing was begun."""

    status = 503

    def __init__(self) -> None:
        super().__init__(
            "no Ollama answers that could serve it",
            "start it with `ollama serve`, set OLLAMA_HOST, or leave --to away: the embedded engine serves it then",
        )


class NameTaken(AddingError):
    """Another model was added under this name."""

    status = 409

    def __init__(self, name: str, other: str) -> None:
        super().__init__(
            f"{name} is {other} already", "choose another name (--name), or take its place (--replace)"
        )
        self.name = name


class UnsoundModel(AddingError):
    """The file has what no loader may see."""

    def __init__(self, file: str, problems: Sequence[str]) -> None:
        super().__init__(
            f"{file} is unsound: {'; '.join(problems[:3])}",
            "do not load it; fetch it from a source you trust",
        )
        self.problems = tuple(problems)


class NoSuchAddedModel(AddingError):
    """Nothing of this name was added."""

    status = 404
    exit_code = 3

    def __init__(self, name: str, known: Sequence[str]) -> None:
        there_are = f"there are: {', '.join(known[:20])}" if known else "there are none"
        super().__init__(f"{name[:100]!r} was not added with `hone hub add`", there_are)
        self.name = name


def _gb(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e8 else f"{size_bytes / 1e6:.1f} MB"
