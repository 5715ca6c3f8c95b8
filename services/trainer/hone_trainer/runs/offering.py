"""Before a run's dataset is built, sources beyond feedback offer examples for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import RowMapping

from hone_chassis.database import Database
from hone_chassis.errors import Transient
from hone_chassis.logs import get_logger
from hone_contracts.artifacts import ArtifactType
from hone_trainer.pool import claims, selecting
from hone_trainer.pool.fold import key_of
from hone_trainer.pool.importing import Importer
from hone_trainer.pool.page import Page
from hone_trainer.pool.sources import ExampleSource, Wanted, offers
from hone_trainer.pool.tally import Tally

log = get_logger(__name__)


@dataclass(frozen=True)
class Offering:
    database: Database
    importer: Importer
    sources: Sequence[ExampleSource]
    most: int

    async def for_run(self, run: RowMapping) -> None:
        """The good ones of what is offered are in the run's batch."""
        if not self.sources:
            return
        tenant, artifact_type = run["tenant"], ArtifactType(run["artifact_type"])
        async with self.database.read() as session:
            seeds = await selecting.replay(session, tenant, artifact_type, self.most, run["id"])
        offered = await offers(self.sources, Wanted(tenant, artifact_type, seeds, self.most))
        candidates: list[dict[str, Any]] = [
            {
                "requirements": each.requirements,
                "content": each.content,
                "context_text": each.context_text,
                "options": dict(each.options),
                "key": key_of(each.requirements, each.content),
                "source": name,
                "origin": each.origin,
                "contributor": "",  # nobody gave it
            }
            for name, each in offered
        ]
        ids, _ = await self.importer.add(tenant, artifact_type, candidates)
        try:
            await self.importer.prover.prove(ids)
        except Transient as error:
            log.warning("offered examples are left out of the run", error=str(error))
            await self._let_go(run, ids)
        async with self.database.write() as session:
            tally = await Tally.held(session, tenant, artifact_type)
            await claims.claim_contents(tally, run["batch"], [each["key"] for each in candidates])
            await tally.write()

    async def _let_go(self, run: RowMapping, ids: Sequence[str]) -> None:
        """They were for this run: validated later, they would count for another."""
        async with self.database.write() as session:
            tally = await Tally.held(session, run["tenant"], run["artifact_type"])
            page = Page(tally)
            for entry in await page.load_ids(ids):
                if entry.state == "unproven":
                    page.move(entry, "refused", reason="it was not validated in time for its run")
            await page.write()
            await tally.write()
