"""The first step: what is there, what is to be done with it, and why not, before anything is downloaded."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from hone_contracts.hub import Quantization
from hone_contracts.hub_models import AddModel, ModelSource
from hone_contracts.huggingface import (
    InspectRepository,
    MemoryFigures,
    MemoryPlace,
    RepositoryFile,
    RepositoryReport,
    WeightGroup,
)
from hone_hub.adding.errors import BadChoice, NothingFits, NotSupported, TooLargeForMachine, UnknownQuant
from hone_hub.adding.inspected import Inspected, inspected
from hone_hub.adding.sources import LocalFile, LocalFolder, Repository, default_name
from hone_hub.convertible import OLLAMA_IMPORTS
from hone_hub.downloads.downloads import Wanted
from hone_hub.huggingface.repository import Repositories
from hone_hub.worker_process import OnStep

_USUAL = "q4_k_m"
_MOST_CONFIG_BYTES = 1 << 20
_SMALL_BYTES = 2_000_000_000
_BITS_PER_WEIGHT = {
    "f32": 32.0, "f16": 16.0, "bf16": 16.0, "q8_0": 8.5, "q6_k": 6.6, "q5_k_m": 5.7, "q5_0": 5.5, "q4_k_m": 4.9,
    "q4_0": 4.6,
}  # fmt: skip


@dataclass(frozen=True)
class Looked:
    """One of ``wanted`` (to be fetched), ``files`` (a GGUF that is here) and ``folder`` is what it is made of;
    ``convert_to`` where it is safetensors that are converted, ``imported`` where Ollama makes a model of them.
    ``download_bytes`` and ``convert_bytes`` is what will be written."""

    name: str
    source: ModelSource
    quant: str | None
    wanted: Wanted | None = None
    files: tuple[Path, ...] = ()
    folder: Path | None = None
    convert_to: Quantization | None = None
    convert_bytes: int = 0
    imported: bool = False
    licence: str | None = None
    memory: MemoryFigures | None = None
    warnings: tuple[str, ...] = ()
    inspected: Inspected | None = None

    @property
    def download_bytes(self) -> int:
        return 0 if self.wanted is None else sum(file.size_bytes for file in self.wanted.files)

    @property
    def served_bytes(self) -> int:
        """Of the file that goes to who serves it."""
        here = sum(path.stat().st_size for path in self.files)
        return self.convert_bytes or here or self.download_bytes


class Looking:
    def __init__(
        self, repositories: Repositories, places: Callable[[], Awaitable[tuple[MemoryPlace, ...]]]
    ) -> None:
        self._repositories, self._places = repositories, places

    async def repository(self, source: Repository, order: AddModel) -> Looked:
        """Raises AddingError, Refused."""
        report = await self._repositories.report(
            InspectRepository(
                repository=source.name,
                revision=order.revision,
                context_tokens=order.context_tokens,
                quant=order.quant,
            )
        )
        if report.verdict == "unsupported":
            raise NotSupported(source.name, report.reason)
        group = _chosen(source.name, report, order)
        converted = group.format == "safetensors"
        to = _quantization(report.convert_to or _named(order.quant)) if converted else None
        quant = to.upper() if to else group.quant
        if not order.force and not group.fits and group.memory is not None and report.places:
            raise TooLargeForMachine(source.name, quant, group.memory.total_bytes, _told(report.places))
        files = (*group.files, *(report.beside if converted else ()))
        return Looked(
            name=order.name or default_name(source.name, quant),
            source=ModelSource(
                kind="huggingface",
                repository=report.id,
                revision=report.revision,
                files=tuple(file.path for file in files),
            ),
            quant=quant,
            wanted=Wanted(report.id, report.revision, files),
            convert_to=None if report.imported else to,
            convert_bytes=_converted_bytes(group.files, report.parameters, to) if to else 0,
            imported=report.imported,
            inspected=_told_by(report) if report.imported else None,
            licence=report.licence,
            memory=group.memory,
            warnings=report.warnings,
        )

    async def file(self, source: LocalFile, order: AddModel, tell: OnStep) -> Looked:
        """Raises AddingError, Refused."""
        if order.quant != "auto":
            raise BadChoice("the quantization of a GGUF file is what it is", "leave --quant away")
        found = await inspected(source.paths, tell)
        name = order.name or default_name(source.stem, found.quant)
        if not order.force and found.memory is not None:
            await self._check_fits(name, found.quant or "it is", found.memory.total_bytes)
        return Looked(
            name=name,
            source=ModelSource(
                kind="file",
                repository=str(source.paths[0].parent),
                files=tuple(path.name for path in source.paths),
            ),
            quant=found.quant,
            files=source.paths,
            memory=found.memory,
            inspected=found,
        )

    async def folder(self, source: LocalFolder, order: AddModel) -> Looked:
        """What is in it is for the converter to say, which refuses as early. Raises AddingError."""
        weights = [path.stat().st_size for path in source.path.glob("*.safetensors")]
        convert_to = _quantization(order.quant if order.quant != "auto" else _usual(sum(weights)))
        converted_bytes = int(sum(weights) * _BITS_PER_WEIGHT[convert_to] / 16)
        if not order.force:
            await self._check_fits(source.path.name, convert_to.upper(), converted_bytes)
        config = await asyncio.to_thread(_config, source.path)
        imported = config.get("architectures") in [[name] for name in OLLAMA_IMPORTS]
        return Looked(
            name=order.name or default_name(source.path.name, convert_to),
            source=ModelSource(kind="folder", repository=str(source.path)),
            quant=convert_to.upper(),
            folder=source.path,
            convert_to=None if imported else convert_to,
            convert_bytes=converted_bytes,
            imported=imported,
            inspected=_of_config(config, convert_to.upper()) if imported else None,
        )

    async def _check_fits(self, name: str, quant: str, needed_bytes: int) -> None:
        """Raises TooLargeForMachine."""
        places = await self._places()
        if places and all(place.free_bytes < needed_bytes for place in places):
            raise TooLargeForMachine(name, quant, needed_bytes, _told(places))


def _told_by(report: RepositoryReport) -> Inspected:
    """Of what Ollama imports there is no file to inspect: what is known of it is what the hub tells."""
    return Inspected(
        architecture=report.architecture,
        parameters=report.parameters,
        quant=report.convert_to and report.convert_to.upper(),
        context_tokens=report.context_length,
        template_sha256="",
        memory=None,
        warnings=(),
    )


def _of_config(config: dict[str, Any], quant: str) -> Inspected:
    context = config.get("max_position_embeddings")
    return Inspected(
        architecture=str(config["architectures"][0]),
        parameters=None,
        quant=quant,
        context_tokens=context if type(context) is int and 0 < context < 1 << 31 else None,
        template_sha256="",
        memory=None,
        warnings=(),
    )


def _config(folder: Path) -> dict[str, Any]:
    """Empty where there is none that can be read: the converter says what is wrong with it."""
    try:
        with (folder / "config.json").open("rb") as file:
            found = json.loads(file.read(_MOST_CONFIG_BYTES))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _chosen(name: str, report: RepositoryReport, order: AddModel) -> WeightGroup:
    """Raises NothingFits, UnknownQuant."""
    if report.chosen is not None:
        return report.groups[report.chosen]
    if order.quant != "auto":
        raise UnknownQuant(name, report.reasons)
    usable = [group for group in report.groups if not group.problem]
    if order.force and usable:
        return min(usable, key=lambda group: group.size_bytes)
    raise NothingFits(name, report.reasons)


def _named(quant: str) -> str:
    """Where nothing fits, and it shall be added all the same: the usual one."""
    return _USUAL if quant == "auto" else quant


def _quantization(text: str) -> Quantization:
    """Raises BadChoice."""
    known: tuple[Quantization, ...] = get_args(Quantization)
    for each in known:
        if each == text.lower():
            return each
    raise BadChoice(f"{text[:40]!r} is nothing to convert to", f"choose one of {', '.join(known)}")


def _usual(weights_bytes: int) -> Quantization:
    """A small model loses more by few bits, and gains little."""
    return "q8_0" if weights_bytes < _SMALL_BYTES else "q4_k_m"


def _converted_bytes(
    files: Sequence[RepositoryFile], parameters: int | None, convert_to: Quantization
) -> int:
    """Of what is stored in 16 bits where nothing tells the parameters."""
    weights = parameters or sum(file.size_bytes for file in files) // 2
    return int(weights * _BITS_PER_WEIGHT[convert_to] / 8)


def _told(places: Sequence[MemoryPlace]) -> list[tuple[str, int]]:
    return [(place.name, place.free_bytes) for place in places]
