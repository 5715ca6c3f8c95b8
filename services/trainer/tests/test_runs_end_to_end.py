"""From feedback to a version that is ready to be deployed, and on to the run's end."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from feedbacks import feedback
from loop_parts import MODEL, training

from hone_contracts.deployment import ModelDeployed
from hone_contracts.evaluation import VersionJudged
from hone_contracts.pool import CountExamples, DatasetShown, PoolCounts, ShowDataset
from hone_contracts.registry import ServedVersion
from hone_contracts.training import DatasetBuilt, TrainingCompleted, TrainingFailed, TrainingStarted


def lines(uri: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(urlsplit(uri).path).read_text().splitlines()]


async def test_the_last_feedback_of_a_batch_starts_a_run_that_makes_a_prompt_version(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    async with training(nats_server.url, database_url, tmp_path) as trainer:
        await trainer.tell(
            *(feedback(n, user=f"user{n % 3}", correction=f"erDiagram\n  A{n}\n") for n in range(11))
        )
        counts = await trainer.ask(CountExamples(), PoolCounts)
        assert await trainer.told(TrainingStarted) == []
        await trainer.tell(feedback(11, user="user1"))
        run = await trainer.run_in("deploying")

        started = await trainer.one_told(TrainingStarted)
        built = await trainer.one_told(DatasetBuilt)
        completed = await trainer.one_told(TrainingCompleted)
        assert {started.correlation_id, built.correlation_id, completed.correlation_id} == {run.run_id}
        assert (started.method, started.trigger, started.examples) == ("few_shot", "examples", 12)

        train, held_out = lines(built.dataset.train_uri), lines(built.dataset.held_out_uri)
        assert (len(train), len(held_out)) == (built.dataset.train, built.dataset.held_out)
        assert len(train) + len(held_out) == 12
        assert {item["item"] for item in held_out}.isdisjoint(row["example"] for row in train)

        assert completed.prompt is not None and completed.planned.model == MODEL
        taught = {turn.content for turn in completed.prompt.turns if turn.role == "user"}
        assert taught and taught <= {row["messages"][0]["content"] for row in train}
        assert completed.prompt.system == "Answer."

        shown = await trainer.ask(ShowDataset(dataset=built.dataset.digest[:12]), DatasetShown)
        examples = [row for row in shown.rows if row.split in ("train", "held_out")]
        assert len(examples) == 12 and {row.source for row in shown.rows} == {"correction", "feedback"}
        # The eleven answers that were corrected are there for kto.
        assert shown.rows_total == 23 and built.dataset.against <= 11
        assert counts.types == () or counts.types[0].new <= 11

        await judge(trainer, completed, "canary")
        ended = await trainer.run_in("succeeded")
        assert (ended.verdict, ended.version_name) == ("canary", "v2_20261125T223000Z")
        [count] = (await trainer.ask(CountExamples(), PoolCounts)).types
        assert (count.good, count.new, count.running) == (12, 0, None)
        assert await trainer.told(TrainingFailed) == []


async def judge(trainer: Any, completed: TrainingCompleted, verdict: Any) -> None:
    same = {
        "artifact_type": completed.artifact_type,
        "method": completed.method,
        "planned": completed.planned,
    }
    await trainer.tell(
        ModelDeployed.caused_by(
            completed, **same, dataset=completed.dataset, served=ServedVersion(version=2), sha256="ab"
        ),
        VersionJudged.caused_by(
            completed,
            artifact_type=completed.artifact_type,
            model=MODEL,
            version=2,
            name=completed.planned.name,
            verdict=verdict,
            reasons=("because",),
        ),
    )


@pytest.mark.parametrize("verdict", ["rejected"])
async def test_examples_of_a_version_that_was_worse_are_not_replayed(
    nats_server: Any, database_url: str, tmp_path: Path, verdict: str
) -> None:
    async with training(nats_server.url, database_url, tmp_path) as trainer:
        await trainer.tell(*(feedback(n, user=f"user{n % 3}") for n in range(12)))
        await trainer.run_in("deploying")
        await judge(trainer, await trainer.one_told(TrainingCompleted), verdict)
        await trainer.run_in("succeeded")
        [count] = (await trainer.ask(CountExamples(), PoolCounts)).types
        assert (count.good, count.new) == (0, 0)
