"""One repository, looked at without downloading its weights."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hone_contracts.huggingface import (
    InspectRepository,
    MemoryPlace,
    RepositoryReport,
    WeightGroup,
)
from hone_hub.convertible import IMPORTED_QUANTS, OLLAMA_IMPORTS
from hone_hub.errors import GGUFError
from hone_hub.gguf.header import Header
from hone_hub.gguf.reader import read
from hone_hub.huggingface import choice, memory, told
from hone_hub.huggingface.access import HubAccess
from hone_hub.huggingface.errors import HuggingFaceError
from hone_hub.huggingface.grouping import Files, grouped
from hone_hub.huggingface.memory import Numbers
from hone_hub.huggingface.numbers import of_config, of_header, parameters_of
from hone_hub.huggingface.remote_file import Budget, BudgetSpent, RemoteFile
from hone_hub.huggingface.search import licence_of
from hone_hub.huggingface.verdict import Known, judge, of_configuration

_HEADER_BYTES = 96 << 20
"""What all headers of a repository may cost: the one that is chosen is read first."""
_SMALL_PARAMETERS = 1_000_000_000
_TO_CONVERT = ("Q4_K_M", "Q5_K_M", "Q6_K", "Q8_0", "Q5_0", "Q4_0", "BF16", "F16", "F32")


@dataclass(frozen=True)
class Looking:
    """``header_seconds``: when no further header is begun."""

    access: HubAccess
    places: tuple[MemoryPlace, ...]
    header_seconds: float

    def look(self, question: InspectRepository) -> RepositoryReport:
        """Raises HuggingFaceError."""
        info = told.info_of(self.access, question.repository, question.revision)
        files = grouped(told.files_of(self.access, info, question.repository))
        config = told.config_of(self.access, info, files)
        report = RepositoryReport(
            id=question.repository,
            revision=str(info.sha)[:64],
            licence=licence_of(info),
            gated=bool(info.gated),
            private=bool(info.private),
            projectors=tuple(files.projectors),
            matrices=tuple(files.matrices),
            places=self.places,
            verdict="unsupported",
            reason="",
        )
        if files.gguf:
            return self._with_gguf(report, files, info, question)
        return self._with_safetensors(report, files, info, config, question)

    # GGUF

    def _with_gguf(
        self, report: RepositoryReport, files: Files, info: Any, question: InspectRepository
    ) -> RepositoryReport:
        groups, found = self._read_headers(report, files.gguf, question)
        header = next(iter(found.values()), None)
        numbers = Numbers() if header is None else of_header(header)
        groups = [
            # Some keep several models in one repository: each is as its own header says.
            self._placed(group, of_header(found[at]) if at in found else numbers, question.context_tokens)
            for at, group in enumerate(groups)
        ]
        known = Known(
            gguf=True,
            architecture=numbers.architecture or _told_architecture(info),
            gguf_problem="" if any(not group.problem for group in groups) else groups[0].problem,
        )
        verdict, reason = judge(known)
        chosen = choice.choose(groups, self.places, question.quant)
        warnings = []
        if header is not None and header.text("tokenizer.chat_template") is None:
            warnings.append(
                "its GGUF has no chat template: give one with --template, or use it for completion"
            )
        return report.model_copy(
            update={
                **_facts(numbers),
                "parameters": numbers.parameters or _told_parameters(info),
                "chat_template": None if header is None else header.text("tokenizer.chat_template"),
                "groups": tuple(groups),
                "chosen": chosen.index if verdict == "runs" else None,
                "reasons": chosen.reasons,
                "verdict": verdict,
                "reason": reason,
                "warnings": tuple(warnings),
            }
        )

    def _read_headers(
        self, report: RepositoryReport, groups: Sequence[WeightGroup], question: InspectRepository
    ) -> tuple[list[WeightGroup], dict[int, Header]]:
        """Of the likeliest first, which tells the shape of all; of the others as time and bytes last. A header that
        is broken is the group's problem."""
        told, found = list(groups), dict[int, Header]()
        budget, deadline = Budget(_HEADER_BYTES), time.monotonic() + self.header_seconds
        for number in self._likeliest_first(told, question):
            if found and time.monotonic() > deadline:
                break
            first = told[number].files[0]
            try:
                remote = RemoteFile(self.access, report.id, report.revision, first, budget)
                found[number] = read(remote, first.size_bytes)
            except GGUFError as error:
                told[number] = told[number].model_copy(update={"problem": error.problem})
            except BudgetSpent:
                break
            except HuggingFaceError:
                if not found:
                    raise
                break
        return told, found

    def _likeliest_first(self, groups: Sequence[WeightGroup], question: InspectRepository) -> Iterator[int]:
        """What would be chosen by its size alone; then all others, the preferred first."""
        usable = [number for number, group in enumerate(groups) if not group.problem]
        by_size = [
            group.model_copy(update={"fits": memory.place_for(group.size_bytes, self.places)})
            for group in groups
        ]
        first = choice.choose(by_size, self.places, question.quant).index
        order = {quant: at for at, quant in enumerate(choice.PREFERENCE)}
        usable.sort(key=lambda number: (number != first, order.get(groups[number].quant, len(order))))
        yield from usable

    def _placed(self, group: WeightGroup, numbers: Numbers, context_tokens: int | None) -> WeightGroup:
        figures = memory.predicted(numbers, group.size_bytes, context_tokens)
        needed = group.size_bytes if figures is None else figures.total_bytes
        return group.model_copy(
            update={
                "memory": figures,
                "fits": memory.place_for(needed, self.places) if not group.problem else "",
            }
        )

    # safetensors

    def _with_safetensors(
        self,
        report: RepositoryReport,
        files: Files,
        info: Any,
        config: dict[str, Any],
        question: InspectRepository,
    ) -> RepositoryReport:
        known = Known(
            safetensors=bool(files.safetensors),
            pickle=bool(files.pickles),
            adapter=files.adapter,
            library=info.library_name if isinstance(info.library_name, str) else None,
            task=info.pipeline_tag if isinstance(info.pipeline_tag, str) else None,
            **of_configuration(config),
        )
        verdict, reason = judge(known)
        numbers = of_config(config, parameters_of(info.safetensors))
        update: dict[str, Any] = {**_facts(numbers), "verdict": verdict, "reason": reason}
        if verdict == "convertible":
            size = sum(file.size_bytes for file in files.safetensors)
            weights = numbers.parameters or size // 2
            group = WeightGroup(
                quant="safetensors", format="safetensors", files=tuple(files.safetensors), size_bytes=size
            )
            imported = numbers.architecture in OLLAMA_IMPORTS
            quants = IMPORTED_QUANTS if imported else _TO_CONVERT
            converted, reasons = self._conversion(quants, weights, numbers, question)
            figures = None if converted is None else converted.memory
            group = group.model_copy(
                update={"memory": figures, "fits": "" if converted is None else converted.fits}
            )
            update |= {
                "groups": (group,),
                "beside": tuple(files.beside),
                "parameters": weights,
                "chosen": None if converted is None else 0,
                "convert_to": None if converted is None else converted.quant.lower(),
                "reasons": reasons,
                "imported": imported,
            }
        return report.model_copy(update=update)

    def _conversion(
        self, quants: Sequence[str], weights: int, numbers: Numbers, question: InspectRepository
    ) -> tuple[WeightGroup | None, tuple[str, ...]]:
        """Which of the quantizations that can be made, as if they were there to choose from."""
        made = [
            self._placed(
                WeightGroup(
                    quant=quant, format="gguf", files=(), size_bytes=int(weights * memory.BITS[quant] / 8)
                ),
                numbers,
                question.context_tokens,
            )
            for quant in quants
        ]
        wanted = question.quant
        small = weights < _SMALL_PARAMETERS
        eight = next(group for group in made if group.quant == "Q8_0")
        if wanted == "auto" and small and eight.fits:
            why = f"converted to Q8_0, which fits into {eight.fits}: a model this small loses much by fewer bits"
            return eight, (why,)
        chosen = choice.choose(made, self.places, wanted)
        return (None if chosen.index is None else made[chosen.index]), chosen.reasons


def _facts(numbers: Numbers) -> dict[str, Any]:
    return {
        "architecture": numbers.architecture,
        "parameters": numbers.parameters,
        "layers": numbers.layers,
        "heads": numbers.heads,
        "kv_heads": numbers.kv_heads,
        "context_length": numbers.context,
    }


def _told_architecture(info: Any) -> str | None:
    told = info.gguf.get("architecture") if isinstance(info.gguf, dict) else None
    return told if isinstance(told, str) else None


def _told_parameters(info: Any) -> int | None:
    told = info.gguf.get("total") if isinstance(info.gguf, dict) else None
    return told if type(told) is int and 0 < told < 1 << 50 else None
