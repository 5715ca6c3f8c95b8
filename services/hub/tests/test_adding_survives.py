"""A hub in a process of its own is killed at each step of an addition: the next start goes on, and nothing is done
twice."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nats
import pytest
from hub_parts.adding import ends_in, order
from hub_parts.fake_ollama import FakeOllama
from local_hub import Trouble, serving
from lying import lying
from nats.js.errors import NotFoundError
from running import until

from hone_contracts import subjects
from hone_contracts.hub_models import AddModel, ModelAdded, ModelRemoved, RemoveModel
from hone_contracts.ids import new_id
from hone_contracts.messages import JobProgressed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

REPOSITORY = "acme/whole"
WEIGHTS = "model.safetensors"


@contextmanager
def running_hub(data: Path, log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        hub = subprocess.Popen(
            [sys.executable, "-m", "hone_hub"],
            env=os.environ | {"HONE_DATA_DIR": str(data)} | environment,
            stdout=output,
            stderr=output,
        )
        try:
            yield hub
        finally:
            hub.kill()
            hub.wait()


class Watcher:
    """What jobs tell of, and how far they came."""

    def __init__(self) -> None:
        self.seen: list[JobProgressed] = []

    async def heard(self, message: Any) -> None:
        self.seen.append(JobProgressed.model_validate_json(message.data))

    def reached(self, stage: str, done: int, since: int) -> bool:
        return any(step.stage == stage and (step.done or 0) >= done for step in self.seen[since:])


async def test_a_killed_hub_goes_on_at_its_next_start_and_does_nothing_twice(
    nats_server: Any, fake_ollama: FakeOllama, starter: Path, tmp_path: Path
) -> None:
    data, log = tmp_path / "data", tmp_path / "log"
    wanted = order(REPOSITORY, quant="q8_0")
    with serving() as local:
        local.add(REPOSITORY, {path.name: path for path in starter.iterdir()})
        local.trouble(REPOSITORY, WEIGHTS, Trouble(bytes_per_s=6_000_000))
        environment = {
            "HONE_NATS_URL": nats_server.url, "HF_ENDPOINT": local.url, "OLLAMA_HOST": fake_ollama.url,
            "HONE_ACK_WAIT_S": "1", "HONE_MAX_DELIVER": "50", "HONE_RETRY_DELAY_S": "0.1",
            "HONE_SPARE_DISK_BYTES": "0",
        }  # fmt: skip
        client, watcher = await nats.connect(nats_server.url), Watcher()
        await client.subscribe(subjects.progress(wanted.correlation_id), cb=watcher.heard)
        for number, (stage, done) in enumerate(
            [("download", 3_000_000), ("convert", 1), ("inspect", 0), ("upload", 1), ("prove", 0)]
        ):
            since = len(watcher.seen)
            with running_hub(data, log, **environment):
                if number == 0:
                    await sent(client, wanted)
                await until(lambda: watcher.reached(stage, done, since), limit_s=90)  # noqa: B023
            assert ends_in(data / "hub.db", wanted.correlation_id) == [], stage
        removal = RemoveModel(correlation_id=new_id("job"), name="whole:q8_0")
        with running_hub(data, log, **environment):
            (message,) = await until(lambda: ends_in(data / "hub.db", wanted.correlation_id), limit_s=90)
            assert isinstance(message, ModelAdded), log.read_text()[-2000:]
            await until(lambda: not lying(data / "hub", ".safetensors"))
        size = (starter / WEIGHTS).stat().st_size
        served = local.served(REPOSITORY, WEIGHTS)
        assert served.gets >= 2, "it was killed in the middle of the download"
        assert served.sent_bytes < size * 1.4, "what had come was not fetched again"
        assert [name for name in fake_ollama.models if "unproven" in name] == []
        assert [name for name in fake_ollama.models if name.startswith("whole")] == ["whole:q8_0"]
        # And its removal, without a registry at first: it waits for one.
        with running_hub(data, log, **environment):
            await sent(client, removal)
            await until(lambda: "A service does not answer" in log.read_text())
        assert ends_in(data / "hub.db", removal.correlation_id) == []

        async def released(message: Any) -> None:
            await message.respond(b'{"answer": {"references": ["ollama:whole:q8_0"]}}')

        await client.subscribe(subjects.rpc("registry", "release_model"), cb=released)
        with running_hub(data, log, **environment):
            (gone,) = await until(lambda: ends_in(data / "hub.db", removal.correlation_id), limit_s=90)
        assert isinstance(gone, ModelRemoved)
        assert [name for name in fake_ollama.models if name.startswith("whole")] == []
        await client.close()


async def sent(client: Any, command: AddModel | RemoveModel) -> None:
    """Once the hub has made its streams."""

    async def published() -> bool:
        try:
            await client.jetstream().publish(command.subject, command.model_dump_json().encode())
        except (TimeoutError, NotFoundError, nats.errors.Error):
            return False
        return True

    await until(published)
