"""The trainer's coordinator: it runs without what training needs, and says what is missing."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from running import started
from schema import differences

from hone_chassis import RemoteError, Service, ServiceSettings, rpc
from hone_chassis.tables import ChassisTable
from hone_contracts.artifacts import ArtifactType
from hone_contracts.training import CheckTraining, Method, TrainingPossible
from hone_trainer import app
from hone_trainer.errors import NotThereYet, PackagesMissing
from hone_trainer.training import TrainingDesk


def asking_for(method: Method) -> CheckTraining:
    return CheckTraining(artifact_type=ArtifactType.MERMAID_ERD, method=method)


@pytest.fixture
def service(nats_server: Any, database_url: str, tmp_path: Path) -> Service:
    nats_url = SecretStr(nats_server.url)
    return app.create(
        ServiceSettings(nats_url=nats_url, database_url=SecretStr(database_url), data_dir=tmp_path)
    )


async def test_the_service_is_ready_shows_metrics_and_answers_that_training_is_not_there_yet(
    service: Service,
) -> None:
    async with started(service) as url, httpx.AsyncClient() as http:
        assert (await http.get(f"{url}/health/ready")).status_code == 200
        with pytest.raises(RemoteError) as caught:
            await rpc.ask(
                service.running.client, CheckTraining.subject, asking_for("few_shot"), TrainingPossible
            )
        assert (caught.value.body.status, caught.value.body.code) == (501, "not_there_yet")
        assert f'subject="{CheckTraining.subject}"' in (await http.get(f"{url}/metrics")).text


@pytest.mark.parametrize("method", ["lora", "qlora", "kto"])
async def test_what_training_lacks_is_named_with_the_command_that_adds_it(method: Method) -> None:
    desk = TrainingDesk(packages=("asyncio", "no_such_package", "nor_this_one"))
    with pytest.raises(PackagesMissing, match="`make train-deps`") as caught:
        await desk.check(asking_for(method))
    assert caught.value.missing == ("no_such_package", "nor_this_one")
    assert caught.value.status == 503


async def test_nobody_is_sent_to_install_gigabytes_for_what_needs_none_of_them() -> None:
    with pytest.raises(NotThereYet, match="few_shot"):
        await TrainingDesk(packages=("no_such_package",)).check(asking_for("few_shot"))


async def test_with_every_package_there_the_answer_is_that_this_version_cannot(tmp_path: Path) -> None:
    with pytest.raises(NotThereYet, match="make starter"):
        await TrainingDesk(packages=("asyncio",)).check(asking_for("lora"))


def test_the_coordinator_imports_nothing_that_only_training_needs() -> None:
    """In a process of its own: other tests of this one may have imported anything."""
    program = """
import asyncio, sys
from hone_contracts.training import CheckTraining
from hone_trainer import app, errors, training
app.create()
for method in ("few_shot", "lora"):
    try:
        asyncio.run(training.TrainingDesk().check(CheckTraining(artifact_type="mermaid_erd", method=method)))
    except errors.TrainerError:
        pass
heavy = {"torch", "transformers", "safetensors", "tokenizers", "numpy", "hone_trainer.starter"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


async def test_migrating_gives_the_schema_that_the_chassis_declares(service: Service) -> None:
    async with started(service):
        assert await differences(service.database, ChassisTable.metadata) == []
