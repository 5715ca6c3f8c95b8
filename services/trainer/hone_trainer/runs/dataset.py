"""Builds the dataset of a run: the batch and some older examples, split, checked, written, and announced."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import RowMapping
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis import announce
from hone_chassis.database import Database, insert_new
from hone_chassis.loop_policy import LoopPolicy
from hone_chassis.tables import utc_now
from hone_contracts.artifacts import ArtifactType
from hone_contracts.training import DatasetBuilt, DatasetSummary, TrainModel
from hone_trainer.errors import TooAlike
from hone_trainer.examples import Example
from hone_trainer.pool import against, claims, selecting
from hone_trainer.pool.sources import OWN
from hone_trainer.pool.tally import Tally
from hone_trainer.pool.weights import weigh
from hone_trainer.runs import book, gates
from hone_trainer.runs.against import choose
from hone_trainer.runs.files import Contents, DatasetFiles
from hone_trainer.runs.split import Candidates, split
from hone_trainer.runs.tables import DatasetRow


@dataclass(frozen=True)
class Gathered:
    """What a dataset is made from, read in one look at the pool."""

    artifact_type: ArtifactType
    fresh: Sequence[Example]
    replayed: Sequence[Example]
    held: Sequence[Example]
    trained: Sequence[str]
    against: Sequence[Example]


@dataclass(frozen=True)
class Builder:
    database: Database
    files: DatasetFiles
    policy: LoopPolicy

    async def of_run(self, run: RowMapping, command: TrainModel) -> DatasetSummary:
        """The run's dataset; the one that an earlier worker of the run built, where there is one.

        Raises DatasetBad, TooAlike; Superseded where another worker has taken the run up.
        """
        if run["dataset_digest"] is not None:
            return await self.stored(run["dataset_digest"])
        gathered = await self._gather(run)
        contents, summary, told = await asyncio.to_thread(self._make, gathered, run["id"])
        async with self.database.write() as session:
            tally = await Tally.held(session, run["tenant"], run["artifact_type"])
            await book.keep(session, run, dataset_digest=summary.digest)
            await record(session, run["tenant"], summary, told, run["id"])
            fresh = {each.id for each in gathered.fresh}
            await claims.mark_held_out(tally, [e.id for e in contents.split.held_out if e.id in fresh])
            announce(session, DatasetBuilt.caused_by(command, dataset=summary))
        return summary

    async def by_hand(self, tenant: str, artifact_type: ArtifactType) -> DatasetSummary:
        """Of all good examples, without a run: what it holds out is marked by no one, for no one trains on it."""
        async with self.database.read() as session:
            held = await selecting.held_out(session, tenant, artifact_type, self.policy.held_out_max)
            fresh = await selecting.all_good(session, tenant, artifact_type, claims.MOST_BY_HAND)
            refused = await against.newest(session, tenant, artifact_type, claims.MOST_BY_HAND)
        gathered = Gathered(artifact_type, fresh, (), held, (), refused)
        _, summary, told = await asyncio.to_thread(self._make, gathered, "by hand")
        async with self.database.write() as session:
            await record(session, tenant, summary, told, None)
        return summary

    async def stored(self, digest: str) -> DatasetSummary:
        """Raises NoSuchDataset."""
        told = await asyncio.to_thread(self.files.lineage, digest)
        return DatasetSummary.model_validate(told["summary"])

    async def _gather(self, run: RowMapping) -> Gathered:
        tenant, artifact_type, policy = run["tenant"], run["artifact_type"], self.policy
        async with self.database.read() as session:
            batch = await selecting.of_batch(session, run["batch"])
            fresh = [each for each in batch if each.source in OWN]
            # By hand with what there is, all that was learned before is learned again: nobody waits for a batch.
            everything = run["trigger"] == "manual" and run["source"] is None
            share = round(len(fresh) * policy.replay_share / (1 - policy.replay_share))
            count = claims.MOST_BY_HAND if everything else share
            replayed = await selecting.replay(session, tenant, artifact_type, count, run["id"])
            held = await selecting.held_out(session, tenant, artifact_type, policy.held_out_max)
            trained = await selecting.trained_texts(session, tenant, artifact_type)
            # A file that a person named brings its own.
            its_own = None if run["source"] is None else run["batch"]
            refused = await against.newest(session, tenant, artifact_type, claims.MOST_BY_HAND, its_own)
        # What a source made up is learned from, and measures nothing.
        made = [each for each in batch if each.source not in OWN]
        return Gathered(ArtifactType(artifact_type), fresh, [*made, *replayed], held, trained, refused)

    def _make(self, gathered: Gathered, seed: str) -> tuple[Contents, DatasetSummary, dict[str, Any]]:
        """In a thread: grouping, gates and files take seconds of a large batch."""
        from hone_trainer.datasets import near  # noqa: PLC0415 (numpy: 0.1 s that only a run needs)

        fresh, replayed, held = gathered.fresh, gathered.replayed, gathered.held
        texts = [each.requirements for each in (*fresh, *replayed, *held)]
        groups = near.groups([*texts, *gathered.trained], threshold=self.policy.near_duplicate)
        parts = split(Candidates(fresh, replayed, held, groups), self.policy, seed)
        if not parts.train or len(parts.held_out) < 2:
            raise TooAlike(len(parts.train), len(parts.held_out))
        report = gates.check(parts)
        weights = weigh(
            [each.contributor for each in parts.train],
            [each.agreement for each in parts.train],
            self.policy.person_share,
        )
        contents = Contents(
            gathered.artifact_type,
            parts,
            weights,
            frozenset(each.id for each in replayed if each.source in OWN),
            self._parameters(parts.left_out),
            choose(
                gathered.against, parts, threshold=self.policy.near_duplicate, share=self.policy.person_share
            ),
        )
        summary, told = self.files.store(contents, report)
        return contents, summary, told

    def _parameters(self, left_out: Sequence[Example]) -> dict[str, Any]:
        names = (
            "good_score", "correction_score", "person_share", "disagreement", "replay_share", "held_out_share",
            "held_out_min", "held_out_max", "near_duplicate",
        )  # fmt: skip
        return {name: getattr(self.policy, name) for name in names} | {
            "left_out": [each.id for each in left_out]
        }


async def record(
    session: AsyncSession, tenant: str, summary: DatasetSummary, told: dict[str, Any], run_id: str | None
) -> None:
    """The dataset's row; the same content built again has one."""
    values = {
        "tenant": tenant,
        "digest": summary.digest,
        "artifact_type": summary.artifact_type.value,
        "summary": summary.model_dump(mode="json"),
        "run_id": run_id,
        "report": told["report"],
        "parameters": told["parameters"],
        "created_at": utc_now(),
    }
    await insert_new(session, DatasetRow, values)
