"""Runs on a dataset that a person named: one that is there already, by its digest, or a file of examples."""

import re
from dataclasses import dataclass

from sqlalchemy.engine import RowMapping

from hone_chassis.database import Database
from hone_contracts.artifacts import ArtifactType
from hone_trainer.errors import FileRefused
from hone_trainer.pool import claims
from hone_trainer.pool.importing import Importer
from hone_trainer.pool.tally import Tally
from hone_trainer.runs import book
from hone_trainer.runs.stored import find_dataset

_DIGEST = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True)
class NamedDatasets:
    database: Database
    importer: Importer

    async def prepare(self, run: RowMapping) -> RowMapping:
        """The run with its dataset, or with the file's examples in its batch. Safe to be done again.

        Raises NoSuchDataset, FileRefused, Superseded; Transient while the generator does not answer.
        """
        if _DIGEST.fullmatch(run["source"]):
            row = await find_dataset(self.database, run["tenant"], run["source"])
            async with self.database.write() as session:
                return await book.keep(session, run, dataset_digest=row["digest"])
        return await self._import(run)

    async def _import(self, run: RowMapping) -> RowMapping:
        artifact_type = ArtifactType(run["artifact_type"])
        name = run["source"].rpartition("/")[2] or "import"
        done = await self.importer.put(run["tenant"], artifact_type, run["source"], name, "import")
        await self.importer.prover.prove(done.ids)
        async with self.database.write() as session:
            tally = await Tally.held(session, run["tenant"], run["artifact_type"])
            claimed = await claims.claim_contents(tally, run["batch"], done.keys[: claims.MOST_BY_HAND])
            await claims.lend_against(tally, run["batch"], done.against_keys)
            kept = await book.keep(session, run, examples=claimed)
            await tally.write()
        if not claimed:
            refused = "; ".join(f"row {each.row}: {each.reason}" for each in done.parsed.refused[:5])
            unwanted = f" {len(done.against_keys)} are labelled as not wanted." if done.against_keys else ""
            raise FileRefused(
                f"none of its {done.parsed.rows} rows is a new good example.{unwanted} {refused}".rstrip()
            )
        return kept
