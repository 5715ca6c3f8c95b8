"""The trainer's coordinator: it runs without what training needs, and says what is missing."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from loop_parts import settings
from running import started
from schema import differences

from hone_chassis import Service, rpc
from hone_chassis.cancellations import CancelledJobRow
from hone_chassis.tables import ChassisTable
from hone_contracts.artifacts import ArtifactType
from hone_contracts.registry import Route
from hone_contracts.training import CheckTraining, Method, TrainingPossible
from hone_trainer import app
from hone_trainer.errors import PackagesMissing
from hone_trainer.tables import TrainerTable
from hone_trainer.training import Methods


def asking_for(method: Method) -> CheckTraining:
    return CheckTraining(artifact_type=ArtifactType.MERMAID_ERD, method=method)


def methods(*missing: str, configured: str = "auto", reading: Any = "whole") -> Methods:
    route = Route(artifact_type="default", model="ollama:tiny", reading=reading)
    return Methods(
        configured, lambda _: route, missing=lambda method: () if method == "few_shot" else missing
    )


@pytest.fixture
def service(nats_server: Any, database_url: str, tmp_path: Path) -> Service:
    return app.create(settings(nats_server.url, database_url, tmp_path))


async def test_the_service_runs_shows_metrics_and_answers_what_it_can_train(service: Service) -> None:
    async with started(service) as url, httpx.AsyncClient() as http:
        client = service.running.client
        possible = await rpc.ask(client, CheckTraining.subject, asking_for("few_shot"), TrainingPossible)
        assert possible.method == "few_shot"
        possible = await rpc.ask(client, CheckTraining.subject, asking_for("lora"), TrainingPossible)
        assert possible.method == "lora"
        assert f'subject="{CheckTraining.subject}"' in (await http.get(f"{url}/metrics")).text


@pytest.mark.parametrize("method", ["full", "lora", "qlora", "kto"])
def test_what_training_lacks_is_named_with_the_command_that_adds_it(method: Method) -> None:
    with pytest.raises(PackagesMissing, match="`make train-deps`") as caught:
        methods("no_such_package", "nor_this_one").check(method)
    assert caught.value.missing == ("no_such_package", "nor_this_one")
    assert caught.value.status == 503


def test_nobody_is_sent_to_install_gigabytes_for_what_needs_none_of_them() -> None:
    methods("no_such_package").check("few_shot")


@pytest.mark.parametrize(
    ("configured", "reading", "method"),
    [
        ("auto", "passages", "full"),
        ("auto", "passages_schema", "few_shot"),
        ("auto", "whole", "few_shot"),
        ("full", "whole", "full"),
        ("few_shot", "passages", "few_shot"),
    ],
)
def test_small_models_of_hones_own_change_their_weights_and_others_get_examples(
    configured: str, reading: str, method: Method
) -> None:
    assert methods(configured=configured, reading=reading).of(ArtifactType.MERMAID_ERD) == method


def test_without_its_packages_no_run_begins_that_would_need_them() -> None:
    trouble = methods("torch", reading="passages").trouble(ArtifactType.MERMAID_ERD)
    assert trouble is not None and "torch" in trouble
    assert methods("torch").trouble(ArtifactType.MERMAID_ERD) is None


def test_the_coordinator_imports_nothing_that_only_training_needs() -> None:
    """In a process of its own: other tests of this one may have imported anything."""
    program = """
import sys
from hone_trainer import app
app.create()
heavy = {"torch", "transformers", "safetensors", "tokenizers", "numpy", "hone_trainer.starter"}
print(sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


async def test_migrating_gives_the_schema_that_the_code_declares(service: Service) -> None:
    async with started(service):
        tables = (ChassisTable.metadata, TrainerTable.metadata, CancelledJobRow.metadata)
        assert await differences(service.database, *tables) == []
