"""One run for a batch, and one end for a run, whatever is delivered again, killed, or runs twice."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from feedbacks import ERD, feedback
from loop_parts import policy, settings, training
from running import until
from sqlmodel import select
from test_runs_end_to_end import judge

from hone_chassis import RemoteError, ServiceUnavailable
from hone_chassis.database import Database
from hone_chassis.dead_letters import bury
from hone_chassis.tables import OutboxRow, utc_now
from hone_contracts.deployment import DeploymentFailed
from hone_contracts.errors import ErrorBody
from hone_contracts.ids import new_id
from hone_contracts.pool import Run, ShowRun
from hone_contracts.registry import PlanVersion
from hone_contracts.training import (
    CheckTraining,
    StartTraining,
    TrainingCompleted,
    TrainingFailed,
    TrainingPossible,
    TrainingStarted,
    TrainModel,
)
from hone_trainer.runs.watchdog import Watchdog

ERROR = ErrorBody(code="x", title="It does not work", detail="try again")
LATER = policy(min_interval_s=600)


def batch(count: int = 12, first: int = 0) -> list[Any]:
    return [feedback(n, f"user{n % 3}") for n in range(first, first + count)]


async def test_feedback_that_is_delivered_again_starts_nothing_anew(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    async with training(nats_server.url, database_url, tmp_path) as trainer:
        told = batch()
        await trainer.gives(*told)
        await trainer.run_in("deploying")
        # With other ids on the stream, so that it is not dropped there.
        await asyncio.gather(*(trainer.tell_again(each) for each in told))
        await trainer.gives(feedback(100))  # comes after them
        await judge(trainer, await trainer.one_told(TrainingCompleted), "challenger")
        await trainer.run_in("succeeded")
        await trainer.gives(feedback(101))
        count = await trainer.pool()
        assert count is not None and (count.good, count.new) == (14, 2)
        assert len(await trainer.told(TrainingStarted)) == 1


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
async def test_two_coordinators_on_one_database_start_one_run_for_each_batch(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    async with (
        training(nats_server.url, database_url, tmp_path / "a", loop=LATER) as one,
        training(nats_server.url, database_url, tmp_path / "a", loop=LATER),
    ):
        await one.gives(*batch(30))
        await one.run_in("deploying")
        assert len(await one.told(TrainingStarted)) == 1
        assert len(await one.told(TrainingCompleted)) == len(await one.runs()) == 1
        count = await one.pool()
        assert count is not None and (count.good, count.new) == (30, 18)


async def test_a_service_that_stops_in_a_run_goes_on_with_it_when_it_starts(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    async def nobody(_: PlanVersion) -> Any:
        await asyncio.sleep(60)
        raise ServiceUnavailable("registry", "away")

    async with training(nats_server.url, database_url, tmp_path, plan=nobody) as trainer:
        await trainer.gives(*batch())
        run = await trainer.run_in("training")
        await until(trainer.runs, lambda runs: runs[0].dataset_digest is not None)
    async with training(nats_server.url, database_url, tmp_path) as trainer:
        again = await trainer.run_in("deploying")
        assert (again.run_id, again.attempt > run.attempt) == (run.run_id, True)
        assert len(await trainer.told(TrainingCompleted)) == 1


async def test_a_failed_deployment_ends_the_run_and_gives_the_examples_back_some_times(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    async with training(nats_server.url, database_url, tmp_path, loop=policy(tries=2)) as trainer:
        await trainer.gives(*batch())
        for number in (1, 2):

            async def so_many(wanted: int = number) -> list[TrainingCompleted]:
                told = await trainer.told(TrainingCompleted)
                return told if len(told) == wanted else []

            done = await until(so_many)
            await trainer.tell(DeploymentFailed.caused_by(done[-1], artifact_type=ERD, error=ERROR))

        async def ended() -> bool:
            return [run.state for run in await trainer.runs()] == ["failed", "failed"]

        await until(ended)
        count = await trainer.pool()
        assert count is not None and (count.good, count.new) == (0, 0)  # set aside: they may be the reason
        assert [run.error for run in await trainer.runs()] == [ERROR] * 2


async def test_by_hand_with_too_few_examples_it_says_what_is_missing(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    async with training(nats_server.url, database_url, tmp_path) as trainer:
        await trainer.gives(*batch(3))
        asked = StartTraining(correlation_id=new_id("job"), artifact_type=ERD, method="few_shot")
        await trainer.tell(asked)
        failed = await trainer.one_told(TrainingFailed)
        assert failed.correlation_id == asked.correlation_id
        assert failed.error.code == "too_few_examples" and "3" in failed.error.detail
        assert await trainer.runs() == []


async def test_by_hand_while_a_run_is_under_way_it_names_that_one(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    async with training(nats_server.url, database_url, tmp_path) as trainer:
        await trainer.gives(*batch())
        run = await trainer.run_in("deploying")
        with pytest.raises(
            RemoteError, match=run.run_id
        ):  # whoever asks first need not wait for a job to fail
            await trainer.ask(CheckTraining(artifact_type=ERD, method="few_shot"), TrainingPossible)
        await trainer.tell(StartTraining(correlation_id=new_id("job"), artifact_type=ERD, method="few_shot"))
        failed = await trainer.one_told(TrainingFailed)
        assert (failed.error.code, run.run_id in failed.error.detail) == ("run_under_way", True)


async def test_a_run_whose_next_message_never_comes_is_given_up_and_its_job_told(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    async with training(nats_server.url, database_url, tmp_path, loop=LATER) as trainer:
        await trainer.gives(*batch())
        await trainer.run_in("deploying")
        own = Database(database_url, "trainer")
        limits = settings(nats_server.url, database_url, tmp_path, next_step_limit_s=100)
        soon = Watchdog(own, limits, 3, lambda: utc_now() + timedelta(seconds=50))
        late = Watchdog(own, limits, 3, lambda: utc_now() + timedelta(seconds=150))
        await soon.tick()
        assert (await trainer.runs())[0].state == "deploying"
        await late.tick()
        run = await trainer.run_in("failed")
        assert run.error is not None and run.error.code == "next_step_lost"
        assert (await trainer.one_told(TrainingFailed)).correlation_id == run.run_id
        count = await trainer.pool()
        assert count is not None and count.new == 12
        await own.aclose()


async def test_examples_with_errors_stop_the_run_are_named_and_leave_the_pool(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    async with training(nats_server.url, database_url, tmp_path, loop=LATER) as trainer:
        refusal = feedback(11, correction="I'm sorry, but as an AI language model I cannot do that.")
        await trainer.gives(*batch(11), refusal)
        run = await trainer.run_in("failed")
        assert run.error is not None and run.error.code == "dataset_bad"
        whole = await trainer.ask(ShowRun(run_id=run.run_id), Run)
        assert whole.error is not None and len(whole.error.fields["report"]["examples"]) == 1
        count = await trainer.pool()
        assert count is not None and (count.good, count.new) == (11, 11)


async def test_a_command_that_killed_whoever_took_it_fails_its_run_if_it_is_the_one_that_counts(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    role: dict[str, Any] = {"set_trainer_role": "coordinator", "loop": LATER}
    async with training(nats_server.url, database_url, tmp_path, **role) as trainer:
        await trainer.gives(*batch())
        run = await trainer.run_in("queued")
        query = select(OutboxRow.body).where(OutboxRow.subject == TrainModel.subject)
        async with trainer.service.database.read() as session:
            command = TrainModel.model_validate_json((await session.exec(query)).one())

        async def dies(message: TrainModel) -> None:
            headers = {"correlation_id": run.run_id, "Nats-Msg-Id": str(message.message_id)}
            body = message.model_dump_json().encode()
            jetstream = trainer.client.jetstream()
            await bury(jetstream, message.subject, body, headers, consumer="trainer-x", reason=ERROR)

        await dies(
            TrainModel.caused_by(command, **command.model_dump(include={"artifact_type", "method", "batch"}))
        )
        await asyncio.sleep(0.5)
        assert (await trainer.runs())[0].state == "queued"  # an earlier one, from before a pause
        await dies(command)
        assert (await trainer.run_in("failed")).error == ERROR
        count = await trainer.pool()
        assert count is not None and count.new == 12
