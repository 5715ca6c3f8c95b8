"""Versions for the engine that ships with Hone: proven by a generation and then there, or refused and not there."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import psutil
import pytest
from hub_parts import deploying
from hub_parts.deploying import VERSION, deployed, failure, hub, order, publish, versions
from hub_parts.models import Library, TinyModel
from hub_parts.starter import STARTER, unpack
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from running import until

from hone_contracts.deployment import ModelDeployed
from hone_contracts.job_messages import JobCancelled
from hone_contracts.registry import ServedVersion
from hone_hub.deploy.versions import plain
from hone_hub.settings import HubSettings

pytestmark = pytest.mark.slow

FILES = [f"hone-starter/{VERSION}.gguf", f"hone-starter/{VERSION}.json"]


@pytest.fixture
def settings(nats_server: Any, tmp_path: Path) -> HubSettings:
    return HubSettings(
        nats_url=SecretStr(nats_server.url),
        data_dir=tmp_path / "data",
        file_roots=(tmp_path,),
        starter_dir=STARTER.parent,
        graceful_timeout_s=0.2,
        retry_delay_s=0.05,
    )


@pytest.fixture
def weights(settings: HubSettings, starter: Path) -> Path:
    """Where the trainer leaves them, among Hone's data."""
    settings.data_dir.mkdir()
    link = settings.data_dir / "weights"
    link.mkdir()
    for each in starter.iterdir():
        (link / each.name).write_bytes(each.read_bytes())
    return link


async def test_weights_become_a_proven_file_that_the_generator_can_ask_for(
    settings: HubSettings, weights: Path
) -> None:
    async with hub(settings) as service:
        wanted = order(weights=weights)
        done = await deployed(service, wanted)
    assert versions(settings) == FILES
    path = settings.data_dir / "models" / FILES[0]
    assert done.served == ServedVersion(
        model_uri=path.as_uri(),
        model_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        version=2,
        served_by=f"llamacpp:hone-starter:{VERSION}",
    )
    assert (done.uri, done.sha256) == (done.served.model_uri, done.served.model_sha256)
    assert done.size_bytes == path.stat().st_size
    assert done.proof["answers"][0] == '[{"r":["member","1:N","loans"]}]'
    assert done.proof["template"] == "4 conversations rendered as the base's template does"
    told = {"planned", "dataset", "method", "parameters", "figures", "code_version", "artifact_type"}
    assert done.model_dump(include=told) == wanted.model_dump(include=told)


async def test_a_version_that_cannot_be_proven_is_not_there_and_the_reason_is_told(
    settings: HubSettings, weights: Path, library: Library, tmp_path: Path
) -> None:
    spoiled = unpack(tmp_path / "spoiled", noise=1.0)
    asked_otherwise = unpack(
        tmp_path / "otherwise", template="{% for m in messages %}{{ m.content }}{% endfor %}"
    )
    (weights / "model.safetensors").rename(weights / "pytorch_model.bin")
    (tmp_path / "tiny").mkdir()
    for each in library.folder(TinyModel()).iterdir():  # random weights never stop by themselves
        (tmp_path / "tiny" / each.name).write_bytes(each.read_bytes())
    base = ServedVersion(model_uri=(tmp_path / "gone.gguf").as_uri())
    async with hub(settings) as service:
        failed = [
            (await failure(service, wanted)).error
            for wanted in (
                order(weights=spoiled),
                order(weights=asked_otherwise),
                order(weights=weights),
                order(weights=tmp_path / "absent"),
                order("llamacpp:tiny", weights=tmp_path / "tiny", base=base, reading="whole"),
            )
        ]
    assert [error.code for error in failed] == [
        "proof_failed", "template_differs", "source_unsafe", "file_missing", "proof_failed",
    ]  # fmt: skip
    assert "does not stop" in failed[-1].detail
    assert versions(settings) == []


async def test_what_is_no_version_is_refused(settings: HubSettings, weights: Path) -> None:
    orders = {
        "nothing_to_deploy": order(),
        "weights_not_servable": order("gemini:gemini-2.5-flash", weights=weights),
        "bad_version_name": order(weights=weights, name="../../../escaped"),
        "bad_model_name": order("no model", weights=weights),
        "outside_roots": order(weights=Path("/etc")),
    }
    both = order(weights=weights, examples=deploying.prompt())
    async with hub(settings) as service:
        for code, wanted in orders.items():
            assert (await failure(service, wanted)).error.code == code
        assert (await failure(service, both)).error.code == "nothing_to_deploy"
    assert versions(settings) == []


async def test_a_file_that_is_there_is_used_again_or_replaced_when_it_is_broken_or_left_alone_when_it_is_anothers(
    settings: HubSettings, weights: Path
) -> None:
    path = settings.data_dir / "models" / FILES[0]
    async with hub(settings) as service:
        first = await deployed(service, order(weights=weights))
        made_at = path.stat().st_mtime_ns
        again = order(weights=weights, job=first.correlation_id)
        await publish(service, again)
        ends = await until(
            lambda: deploying.announced(service, first.correlation_id), lambda found: len(found) == 2
        )
        assert isinstance(ends[1], ModelDeployed)
        assert (ends[1].sha256, ends[1].proof) == (first.sha256, first.proof)
        assert path.stat().st_mtime_ns == made_at

        path.write_bytes(path.read_bytes()[:-100])
        await publish(service, order(weights=weights, job=first.correlation_id))
        ends = await until(
            lambda: deploying.announced(service, first.correlation_id), lambda found: len(found) == 3
        )
        assert isinstance(ends[2], ModelDeployed)
        assert hashlib.sha256(path.read_bytes()).hexdigest() == ends[2].sha256 == first.sha256

        path.write_bytes(b"somebody's own")
        taken = await failure(service, order(weights=weights))
        assert (taken.error.code, taken.error.status) == ("version_taken", 409)
    assert path.read_bytes() == b"somebody's own"


async def test_a_prover_that_dies_fails_its_deployment_and_leaves_nothing(
    settings: HubSettings, weights: Path
) -> None:
    async with hub(settings) as service:
        wanted = order(weights=weights)
        await deploying.reached(service, wanted, "prove")
        provers = await until(lambda: processes("llamacpp_prover"))
        provers[0].kill()
        failed = await deploying.ended(service, wanted)
        assert not isinstance(failed, ModelDeployed)
        assert failed.error.code == "worker_died"
        assert await service.health.troubles() == {}
    assert versions(settings) == []


async def test_a_hub_that_is_stopped_in_the_middle_leaves_nothing_and_the_next_one_deploys(
    settings: HubSettings, weights: Path
) -> None:
    wanted = order(weights=weights)
    async with hub(settings) as service:
        await deploying.reached(service, wanted, "prove")
    # The service has let go of the work, and does not wait for the end of it.
    await until(lambda: not versions(settings) and not processes("hone_hub"))
    async with hub(settings) as service:
        assert isinstance(await deploying.ended(service, wanted), ModelDeployed)
    assert versions(settings) == FILES


async def test_a_cancelled_deployment_stops_and_leaves_nothing(settings: HubSettings, weights: Path) -> None:
    async with hub(settings) as service:
        wanted = order(weights=weights)
        await deploying.reached(service, wanted, "prove")
        await publish(service, JobCancelled.caused_by(wanted))
        await until(lambda: not processes("hone_hub"))
        await failure(service, order())  # the next job runs, so this one is done with
        assert await deploying.announced(service, wanted.correlation_id) == []
    assert versions(settings) == []


async def test_what_was_deployed_for_a_job_that_was_cancelled_meanwhile_is_taken_away(
    settings: HubSettings, weights: Path
) -> None:
    """As when a hub died after the file was there and before it could say so."""
    async with hub(settings) as service:
        first = await deployed(service, order(weights=weights))
        await deploying.cancel(service, first)
        await publish(service, order(weights=weights, job=first.correlation_id))
        await until(lambda: not versions(settings))
        assert await deploying.announced(service, first.correlation_id) == [first]


@pytest.mark.parametrize(
    "model",
    ["llamacpp:hone-starter", "openai:gpt-4.1", "gemini:gemini-2.5-flash", "anthropic:claude-sonnet-4-5"],
)
async def test_examples_go_with_each_question_where_the_provider_keeps_none(
    settings: HubSettings, model: str
) -> None:
    base = ServedVersion(model_uri="file:///models/a.gguf", model_sha256="5" * 64, version=1, served_by=model)
    examples = deploying.prompt(system="Answer as the team does.")
    async with hub(settings) as service:
        done = await deployed(service, order(model, examples=examples, base=base))
        again = await deployed(service, order(model, examples=examples, base=base))
        other = await deployed(service, order(model, examples=deploying.prompt(), base=base))
    assert done.served == base.model_copy(update={"version": 2, "prompt": examples})
    assert (done.uri, done.size_bytes > 0) == ("", True)
    assert re.fullmatch(r"[0-9a-f]{64}", done.sha256)
    assert done.sha256 == again.sha256 != other.sha256
    assert "evaluation" in json.dumps(done.proof)


@given(st.text(min_size=1), st.text(min_size=1))
def test_models_have_folders_of_their_own(one: str, other: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,79}", plain(one))
    assert (plain(one) == plain(other)) == (one == other)


def processes(named: str) -> list[psutil.Process]:
    found = []
    for each in psutil.Process().children(recursive=True):
        try:
            if any(named in part for part in each.cmdline()):
                found.append(each)
        except psutil.NoSuchProcess:
            continue
    return found
