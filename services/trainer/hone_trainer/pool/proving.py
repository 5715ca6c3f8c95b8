"""Examples that nobody has looked at are validated like answers: those of files, and variations that a model made."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import RowMapping

from hone_chassis.database import Database
from hone_chassis.errors import HandlingError
from hone_chassis.logs import get_logger
from hone_contracts.artifacts import ArtifactType
from hone_contracts.reward import reward
from hone_contracts.validation import ValidateArtifact, Validation
from hone_trainer.asking import Asking
from hone_trainer.pool.feedback import AfterChange
from hone_trainer.pool.page import EXAMPLES, Page
from hone_trainer.pool.tables import State
from hone_trainer.pool.tally import Tally

log = get_logger(__name__)

_E = EXAMPLES.c
_UNPROVEN = select(
    _E.id, _E.tenant, _E.artifact_type, _E.requirements, _E.content, _E.context_text, _E.options
).where(_E.state == "unproven")
_AT_ONCE = 16
_ASKED_AT_ONCE = 2  # the generator has other requests
_LOOK_EVERY_S = 5.0


@dataclass
class Prover:
    database: Database
    ask: Asking
    good_score: int
    after: AfterChange
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def look(self) -> None:
        """There are new ones."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled: all that are unproven, oldest first."""
        while True:
            self._wake.clear()
            try:
                while rows := await self._read(_UNPROVEN.order_by(_E.id).limit(_AT_ONCE)):
                    await self._prove(rows)
            except HandlingError as error:
                log.warning("examples wait to be validated", error=str(error))
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._wake.wait()

    async def prove(self, ids: Sequence[str], deadline: float | None = None) -> None:
        """These, until ``deadline`` (of ``time.monotonic``). Raises Transient without one, when nobody answers."""
        for first in range(0, len(ids), _AT_ONCE):
            if deadline is not None and time.monotonic() >= deadline:
                return
            rows = await self._read(_UNPROVEN.where(_E.id.in_(ids[first : first + _AT_ONCE])))
            try:
                await self._prove(rows)
            except HandlingError as error:
                if deadline is None:
                    raise
                log.warning("examples wait to be validated", error=str(error))
                return

    async def _read(self, query: Any) -> Sequence[RowMapping]:
        async with self.database.read() as session:
            rows: Sequence[RowMapping] = (await (await session.connection()).execute(query)).mappings().all()
            return rows

    async def _prove(self, rows: Sequence[RowMapping]) -> None:
        for first in range(0, len(rows), _ASKED_AT_ONCE):
            some = rows[first : first + _ASKED_AT_ONCE]
            verdicts = await asyncio.gather(*(self._verdict(row) for row in some))
            for row, (score, reason) in zip(some, verdicts, strict=True):
                await self._write(row, score, reason)

    async def _verdict(self, row: RowMapping) -> tuple[int, str]:
        question = ValidateArtifact(
            tenant=row["tenant"],
            artifact_type=ArtifactType(row["artifact_type"]),
            content=row["content"],
            requirements=row["requirements"],
            context_text=row["context_text"],
            options=row["options"],
            threshold=self.good_score,
        )
        try:
            validation = await self.ask(question, Validation)
        except HandlingError as error:
            if error.transient:
                raise
            return 0, str(error)
        return validation.score, "; ".join(validation.reasons[:2])

    async def _write(self, seen: RowMapping, score: int, reason: str) -> None:
        good = score >= self.good_score
        told = (
            None
            if good
            else f"the validators score it {score}, and {self.good_score} is good: {reason}"[:500]
        )
        state: State = "new" if good else "refused"
        async with self.database.write() as session:
            tally = await Tally.held(session, seen["tenant"], seen["artifact_type"])
            page = Page(tally)
            [entry] = await page.load_ids([seen["id"]])
            if entry.state != "unproven":
                return  # another replica was faster
            await page.load_keys([entry.key])
            values = {"key": entry.key, "score": score, "reward": reward(score)}
            await page.change(entry, values, state)
            page.keep(entry, {"reason": told})
            await page.write()
            came = tally.new_ones_came
            await tally.write()
            if came:
                await self.after(tally)
