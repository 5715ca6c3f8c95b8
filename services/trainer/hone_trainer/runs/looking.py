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
    """``folder`` is where runs write. Drivers and packages change with a restart, so they are tried once: soon after
    the start by a worker that does nothing but train (``eager``), and by any other when somebody wants to know."""

    folder: Path
    eager: bool = True
    after_s: float = _AFTER_S
    _trying: asyncio.Task[tuple[EnvironmentFinding, ...]] | None = field(default=None, init=False)

    async def look(self) -> WorkerEnvironment:
        seen = await machine.looked()
        if self.eager:
            self._begin(self.after_s)
        tried: tuple[EnvironmentFinding, ...] = ()
        if self._trying is not None and self._trying.done():
            tried = self._trying.result()
        findings = (*await asyncio.to_thread(environment.at_once, self.folder), *tried)
        broken = {each.name for each in findings if each.severity == "error"}
        no_four_bits = bool(tuning.missing("qlora")) or "4 bits" in broken
        methods = tuple(each for each in seen.methods if each != "qlora" or not no_four_bits)
        return seen.model_copy(update={"methods": methods, "findings": findings})

    async def try_now(self, within_s: float) -> None:
        """Somebody asks: what trying tells is waited for, as long as they wait for an answer."""
        self._begin(0.0)
        if self._trying is not None:
            await asyncio.wait([self._trying], timeout=within_s)

    def _begin(self, after_s: float) -> None:
        if self._trying is None and not tuning.missing():
            self._trying = asyncio.create_task(self._try(after_s))

    async def _try(self, after_s: float) -> tuple[EnvironmentFinding, ...]:
        await asyncio.sleep(after_s)
        return await environment.tried()
