"""Answers questions about datasets and runs."""

import asyncio

from sqlalchemy.engine import RowMapping

from hone_chassis.database import Database
from hone_contracts.pool import (
    BuildDataset,
    DatasetRow,
    Datasets,
    DatasetShown,
    ListDatasets,
    ListRuns,
    Run,
    Runs,
    ShowDataset,
    ShowRun,
    StoredDataset,
)
from hone_contracts.training import CheckTraining, DatasetSummary, ResolvedSetting, TrainingPossible
from hone_trainer.errors import NoSuchRun, RunUnderWay
from hone_trainer.runs import book, stored
from hone_trainer.runs.dataset import Builder
from hone_trainer.training import Methods
from hone_trainer.tuning.settings import TUNED, layers_of, resolve


class Desk:
    def __init__(self, database: Database, builder: Builder, methods: Methods) -> None:
        self._database, self._builder, self._methods = database, builder, methods

    async def check(self, question: CheckTraining) -> TrainingPossible:
        """Raises PackagesMissing, BadSetting, RunUnderWay."""
        self._methods.check(question.method)
        settings = _resolved(question)
        async with self._database.read() as session:
            running = await book.active(session, question.tenant, question.artifact_type)
        if running is not None:
            raise RunUnderWay(question.artifact_type, running)
        device = question.settings.get("device", "auto")
        return TrainingPossible(method=question.method, device=str(device), settings=settings)

    async def list_runs(self, question: ListRuns) -> Runs:
        async with self._database.read() as session:
            wanted = question.artifact_type.value if question.artifact_type else None
            rows = await book.listed(session, question.tenant, wanted, question.limit)
        return Runs(runs=tuple(map(_in_short, rows)))

    async def show_run(self, question: ShowRun) -> Run:
        """Raises NoSuchRun, also for another tenant's."""
        async with self._database.read() as session:
            row = await book.find(session, question.run_id)
        if row is None or row["tenant"] != question.tenant:
            raise NoSuchRun(question.run_id)
        return book.shown(row)

    async def list_datasets(self, question: ListDatasets) -> Datasets:
        wanted = question.artifact_type.value if question.artifact_type else None
        rows = await stored.newest(self._database, question.tenant, wanted, question.limit)
        return Datasets(datasets=tuple(map(_stored, rows)))

    async def show_dataset(self, question: ShowDataset) -> DatasetShown:
        """Raises NoSuchDataset."""
        row = await stored.find_dataset(self._database, question.tenant, question.dataset)
        told = await asyncio.to_thread(self._builder.files.lineage, row["digest"])
        rows = told["rows"]
        return DatasetShown(
            dataset=_stored(row),
            report=row["report"],
            parameters=row["parameters"],
            rows=tuple(
                map(DatasetRow.model_validate, rows[question.offset : question.offset + question.limit])
            ),
            rows_total=len(rows),
        )

    async def build(self, question: BuildDataset) -> DatasetSummary:
        """Raises TooAlike, DatasetBad."""
        return await self._builder.by_hand(question.tenant, question.artifact_type)


def _resolved(question: CheckTraining) -> tuple[ResolvedSetting, ...]:
    """Of the methods whose settings have sources. Raises BadSetting."""
    if question.method not in TUNED:
        return ()
    found = resolve(question.method, *layers_of(question.settings))
    values = found.settings.model_dump(mode="json")
    return tuple(
        ResolvedSetting(name=name, value=value, source=found.sources[name]) for name, value in values.items()
    )


def _in_short(row: RowMapping) -> Run:
    """Without the reports that errors carry: hundreds of them are more than a message holds."""
    run = book.shown(row)
    if run.error is None:
        return run
    return run.model_copy(update={"error": run.error.model_copy(update={"fields": {}})})


def _stored(row: RowMapping) -> StoredDataset:
    summary = DatasetSummary.model_validate(row["summary"])
    return StoredDataset(summary=summary, created_at=row["created_at"], run_id=row["run_id"])
