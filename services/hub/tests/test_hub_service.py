"""The hub as a running service: it converts and inspects, stops when told to, and survives its workers."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from hub_parts.large import enlarge
from hub_parts.models import Library, TinyModel
from nats.aio.msg import Msg
from pydantic import SecretStr
from running import started, until
from schema import differences
from sqlmodel import col, select

from hone_chassis import RemoteError, Service, rpc
from hone_chassis.cancellations import CancelledJobRow
from hone_chassis.tables import ChassisTable, OutboxRow
from hone_contracts import subjects
from hone_contracts.hub import ConversionFailed, ConvertModel, FileReport, InspectFile, ModelConverted
from hone_contracts.ids import new_id
from hone_contracts.job_messages import JobCancelled
from hone_contracts.messages import JobProgressed, Message
from hone_hub import app
from hone_hub.adding.tables import HubTable
from hone_hub.settings import HubSettings

pytestmark = pytest.mark.slow


@pytest.fixture
def settings(nats_server: Any, tmp_path: Path) -> HubSettings:
    return HubSettings(
        nats_url=SecretStr(nats_server.url),
        data_dir=tmp_path / "data",
        file_roots=(tmp_path,),
        graceful_timeout_s=0.2,
        retry_delay_s=0.05,
    )


@pytest.fixture
def model(library: Library, tmp_path: Path) -> Path:
    """Somewhere else than what the hub was given, with a link to it."""
    folder: Path = library.folder(TinyModel()).resolve()
    (tmp_path / "tiny").symlink_to(folder)
    return folder


@pytest.fixture
def large(library: Library, tmp_path: Path) -> Path:
    return enlarge(library.folder(TinyModel()), tmp_path / "large")


@asynccontextmanager
async def hub(settings: HubSettings) -> AsyncIterator[Service]:
    service = app.create(settings)
    async with started(service):
        yield service


async def publish(service: Service, message: Message) -> None:
    await service.running.jetstream.publish(message.subject, message.model_dump_json().encode())


def conversion(source: Path, target: Path, **more: Any) -> ConvertModel:
    fields = {"source_uri": source.as_uri(), "target_uri": target.as_uri()} | more
    return ConvertModel(correlation_id=new_id("job"), **fields)


async def announced(service: Service, job_id: str) -> list[Message]:
    """What the hub said of the job, in order."""
    async with service.database.read() as session:
        rows = (await session.exec(select(OutboxRow).order_by(col(OutboxRow.id)))).all()
    kinds: tuple[type[Message], ...] = (ModelConverted, ConversionFailed)
    by_subject = {kind.subject: kind for kind in kinds}
    found = [by_subject[row.subject].model_validate_json(row.body) for row in rows]
    return [message for message in found if message.correlation_id == job_id]


async def end_of(service: Service, command: ConvertModel) -> Message:
    await publish(service, command)

    async def ended() -> bool:
        return bool(await announced(service, command.correlation_id))

    await until(ended)
    (message,) = await announced(service, command.correlation_id)
    return message


async def failure_of(service: Service, command: ConvertModel) -> ConversionFailed:
    message = await end_of(service, command)
    assert isinstance(message, ConversionFailed)
    return message


async def steps_of(service: Service, job_id: str) -> asyncio.Queue[JobProgressed]:
    steps: asyncio.Queue[JobProgressed] = asyncio.Queue()

    async def heard(message: Msg) -> None:
        await steps.put(JobProgressed.model_validate_json(message.data))

    await service.running.client.subscribe(subjects.progress(job_id), cb=heard)
    await service.running.client.flush()
    return steps


async def begun(service: Service, command: ConvertModel) -> JobProgressed:
    """Publish, and wait until some of it is written."""
    steps = await steps_of(service, command.correlation_id)
    await publish(service, command)
    async with asyncio.timeout(60):
        return await steps.get()


def workers() -> list[psutil.Process]:
    return [each for each in psutil.Process().children() if is_worker(each)]


def is_worker(process: psutil.Process) -> bool:
    try:
        return "hone_hub.worker" in process.cmdline()
    except psutil.NoSuchProcess:  # it ended, and may wait as a zombie for the hub to read its status
        return False


async def nobody_works() -> bool:
    return not workers()


async def test_a_model_is_converted_and_the_file_can_be_inspected(
    settings: HubSettings, model: Path, tmp_path: Path
) -> None:
    target = tmp_path / "tiny model.gguf"
    async with hub(settings.model_copy(update={"file_roots": (tmp_path, model)})) as service:
        command = conversion(model, target)
        steps = await steps_of(service, command.correlation_id)
        converted = await end_of(service, command)
        assert isinstance(converted, ModelConverted)
        assert converted.target_uri == target.as_uri()
        assert converted.sha256 == hashlib.sha256(target.read_bytes()).hexdigest()
        assert converted.size_bytes == target.stat().st_size
        assert converted.report["architecture"] == "llama"
        first = await steps.get()
        assert (first.stage, first.total is not None) == ("convert", True)

        question = InspectFile(uri=target.as_uri())
        answer = await rpc.ask(service.running.client, InspectFile.subject, question, FileReport)
        assert (answer.report["architecture"], answer.report["problems"]) == ("llama", [])


async def test_what_cannot_be_converted_ends_the_job_with_the_reason(
    settings: HubSettings, model: Path, tmp_path: Path
) -> None:
    pickled, there, good = tmp_path / "pickled", tmp_path / "there.gguf", tmp_path / "good.gguf"
    pickled.mkdir()
    (pickled / "config.json").write_bytes((model / "config.json").read_bytes())
    (pickled / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    there.write_bytes(b"precious")
    async with hub(settings.model_copy(update={"file_roots": (tmp_path, model)})) as service:
        missing = await failure_of(service, conversion(tmp_path / "absent", good))
        assert missing.error.status in (404, 422)
        assert "absent" in missing.error.detail
        unsafe = await failure_of(service, conversion(pickled, good))
        assert unsafe.error.code == "source_unsafe"
        exists = await failure_of(service, conversion(model, there))
        assert (exists.error.code, exists.error.status) == ("target_exists", 409)
        assert there.read_bytes() == b"precious"
        name = await failure_of(service, conversion(model, tmp_path / "notes.txt", overwrite=True))
        assert name.error.code == "target_not_gguf"
    assert sorted(each.name for each in tmp_path.glob("*.gguf")) == ["there.gguf"]


async def test_files_outside_the_roots_are_neither_read_nor_written(
    settings: HubSettings, model: Path, tmp_path: Path
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link").symlink_to(model)
    roots = settings.model_copy(update={"file_roots": (inside,)})
    async with hub(roots) as service:
        for source, target in (
            (model, inside / "out.gguf"),
            (inside / "link", inside / "out.gguf"),
            (inside / ".." / "tiny", inside / "out.gguf"),
            (inside, tmp_path / "out.gguf"),
        ):
            failed = await failure_of(service, conversion(source, target))
            assert (failed.error.code, failed.error.status) == ("outside_roots", 403)
        for uri in (
            "s3://bucket/model",
            "file://elsewhere/model",
            "file:relative",
            "file:///a%00b",
            "http://[",
            "/plain",
        ):
            failed = await failure_of(service, conversion(model, inside / "out.gguf", source_uri=uri))
            assert failed.error.code == "not_file_uri"
        with pytest.raises(RemoteError, match="HONE_FILE_ROOTS"):
            question = InspectFile(uri=(tmp_path / "x.gguf").as_uri())
            await rpc.ask(service.running.client, InspectFile.subject, question, FileReport)


async def test_a_file_that_is_cut_short_missing_or_never_answers_is_told_apart(
    settings: HubSettings, tmp_path: Path
) -> None:
    cut, pipe = tmp_path / "cut.gguf", tmp_path / "pipe.gguf"
    cut.write_bytes(b"GGUF\x03\x00\x00\x00\xff\xff")
    os.mkfifo(pipe)
    async with hub(settings) as service:
        for path, status in ((cut, 422), (tmp_path / "absent.gguf", 404), (tmp_path, 422), (pipe, 422)):
            with pytest.raises(RemoteError) as caught:
                question = InspectFile(uri=path.as_uri())
                await rpc.ask(service.running.client, InspectFile.subject, question, FileReport, 20)
            assert caught.value.body.status == status, path
            assert "Traceback" not in caught.value.body.detail


async def test_cancelling_stops_the_conversion_and_leaves_nothing_behind(
    settings: HubSettings, large: Path, tmp_path: Path
) -> None:
    async with hub(settings) as service:
        command = conversion(large, tmp_path / "large.gguf")
        await begun(service, command)
        await publish(service, JobCancelled.caused_by(command))
        await until(nobody_works)
        later = conversion(large, tmp_path / "large.gguf", source_uri="s3://nothing")
        await failure_of(service, later)  # the next job runs, so this one is done with
        assert await announced(service, command.correlation_id) == []
    assert list(tmp_path.glob("*.gguf")) == list(tmp_path.glob(".*.part")) == []


async def test_a_job_that_was_cancelled_before_its_turn_is_not_begun(
    settings: HubSettings, large: Path, tmp_path: Path
) -> None:
    async with hub(settings) as service:
        command = conversion(large, tmp_path / "large.gguf")
        await publish(service, JobCancelled.caused_by(command))

        async def known() -> bool:
            async with service.database.read() as session:
                return await session.get(CancelledJobRow, command.correlation_id) is not None

        await until(known)
        await publish(service, command)
        await failure_of(service, conversion(large, tmp_path / "large.gguf", source_uri="s3://nothing"))
        assert await announced(service, command.correlation_id) == []
    assert list(tmp_path.glob("*.gguf")) == []


async def test_a_worker_that_is_killed_fails_its_job_and_not_the_hub(
    settings: HubSettings, large: Path, tmp_path: Path
) -> None:
    async with hub(settings) as service:
        command = conversion(large, tmp_path / "large.gguf")
        await begun(service, command)
        for worker in workers():
            worker.kill()

        async def ended() -> bool:
            return bool(await announced(service, command.correlation_id))

        await until(ended)
        (failed,) = await announced(service, command.correlation_id)
        assert isinstance(failed, ConversionFailed)
        assert (failed.error.code, failed.error.status) == ("worker_died", 500)
        assert "signal 9" in failed.error.detail
        assert await service.health.troubles() == {}
    assert list(tmp_path.glob(".*.part")) == []


async def test_a_hub_that_is_stopped_hands_its_conversion_to_the_next(
    settings: HubSettings, library: Library, tmp_path: Path
) -> None:
    # It is converted to the end here, which takes a busy machine a second a layer.
    source = enlarge(library.folder(TinyModel()), tmp_path / "large", layers=6)
    command = conversion(source, tmp_path / "large.gguf")
    async with hub(settings) as service:
        await begun(service, command)
    assert workers() == []
    assert list(tmp_path.glob("*.gguf")) == list(tmp_path.glob(".*.part")) == []
    async with hub(settings) as service:

        async def ended() -> bool:
            return bool(await announced(service, command.correlation_id))

        await until(ended)
        (converted,) = await announced(service, command.correlation_id)
        assert isinstance(converted, ModelConverted)
    assert (tmp_path / "large.gguf").exists()


def test_a_worker_whose_hub_is_gone_ends_and_cleans_up(large: Path, tmp_path: Path) -> None:
    target = tmp_path / "large.gguf"
    order = f'{{"kind":"convert","source":"{large}","target":"{target}","quantization":"q8_0","overwrite":false}}\n'
    # Started with SIGINT ignored, as by a hub that a shell put into the background.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker = subprocess.Popen(
        [sys.executable, "-m", "hone_hub.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    signal.signal(signal.SIGINT, before)
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(order.encode())
    worker.stdin.flush()
    worker.stdout.readline()
    assert len(list(tmp_path.glob(".*.part"))) == 1
    worker.stdin.close()
    assert worker.wait(60) == 1
    worker.stdout.close()
    assert list(tmp_path.glob(".*.part")) == list(tmp_path.glob("*.gguf")) == []


def test_the_hub_starts_without_what_only_its_workers_need() -> None:
    program = (
        "import sys; from hone_hub import app; app.create(); print(set(sys.argv[1:]) & set(sys.modules))"
    )
    heavy = ("numpy", "gguf", "jinja2", "torch", "hone_hub.gguf", "hone_hub.convert")
    done = subprocess.run([sys.executable, "-c", program, *heavy], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_roots_come_from_the_environment_as_a_path_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HONE_FILE_ROOTS", os.pathsep.join(["/models", "/data/out"]))
    assert HubSettings().file_roots == (Path("/models"), Path("/data/out"))
    monkeypatch.delenv("HONE_FILE_ROOTS")
    assert HubSettings().file_roots == (Path("/"),)


async def test_migrating_gives_the_schema_that_the_hub_declares(
    settings: HubSettings, database_url: str
) -> None:
    async with hub(settings.model_copy(update={"database_url": SecretStr(database_url)})) as service:
        found = await differences(
            service.database, ChassisTable.metadata, CancelledJobRow.metadata, HubTable.metadata
        )
        assert found == []
