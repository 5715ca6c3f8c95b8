"""What a worker tells of its machine: what `machine` sees at once, and what a process found by trying, as soon as
that is known."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from hone_contracts.training import EnvironmentFinding, WorkerEnvironment
from hone_trainer import tuning
from hone_trainer.runs import machine
from hone_trainer.tuning import environment

_AFTER_S = 20.0
"""Importing torch takes a core for seconds, which a start has better use for."""


@dataclass
class Looking:
    """``folder`` is where runs write. Drivers and packages change with a restart, so they are tried once."""

    folder: Path
    after_s: float = _AFTER_S
    _trying: asyncio.Task[tuple[EnvironmentFinding, ...]] | None = field(default=None, init=False)

    async def look(self) -> WorkerEnvironment:
        seen = await machine.looked()
        if tuning.missing():
            tried: tuple[EnvironmentFinding, ...] = ()
        else:
            self._trying = self._trying or asyncio.create_task(self._try())
            tried = self._trying.result() if self._trying.done() else ()
        findings = (*await asyncio.to_thread(environment.at_once, self.folder), *tried)
        broken = {each.name for each in findings if each.severity == "error"}
        no_four_bits = bool(tuning.missing("qlora")) or "4 bits" in broken
        methods = tuple(each for each in seen.methods if each != "qlora" or not no_four_bits)
        return seen.model_copy(update={"methods": methods, "findings": findings})

    async def _try(self) -> tuple[EnvironmentFinding, ...]:
        await asyncio.sleep(self.after_s)
        return await environment.tried()
