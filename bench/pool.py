"""The pool of examples: feedback a second into it, and how long "how many for this type" takes with a million in it.

    python bench/pool.py [--feedback 5000] [--examples 1000000]

NATS and the trainer are processes of their own, every commit is on the disk; the database is SQLite. Feedback lies on
the stream before the trainer starts, so that nothing waits for this process.
"""

import argparse
import asyncio
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import nats
import psutil
from nats.aio.client import Client

from hone_chassis import ServiceUnavailable, rpc
from hone_chassis.broker import Provisioner
from hone_contracts.artifacts import ArtifactType
from hone_contracts.feedback import Answered, Correction, FeedbackRecorded
from hone_contracts.ids import new_id
from hone_contracts.pool import CountExamples, PoolCount, PoolCounts
from hone_trainer.pool.fold import key_of

ERD = ArtifactType.MERMAID_ERD
_TEXT = (
    "Each member of the library {n} borrows books; a loan {n} has a due date and belongs to one member. " * 8
)
_DIAGRAM = "erDiagram\n" + "".join(f"    ENTITY{i} ||--o{{ OTHER{i} : has\n" for i in range(20))


@contextmanager
def process(*command: str, **environment: str) -> Iterator[psutil.Process]:
    started = subprocess.Popen(
        command, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield psutil.Process(started.pid)
    finally:
        started.terminate()
        started.wait()


def feedback(number: int) -> FeedbackRecorded:
    text = _TEXT.format(n=number)
    return FeedbackRecorded(
        correlation_id=new_id("job"),
        feedback_id=new_id("fb"),
        artifact_id=f"art_{number}",
        artifact_type=ERD,
        model="llamacpp:hone-starter",
        version=1,
        user=f"user{number % 20}",
        correction=Correction(content=f"{_DIAGRAM}%% {number}\n", score=95, distance=0.2),
        reward=0.6,
        validators_score=80,
        answered=Answered(
            artifact_id=f"art_{number}",
            artifact_type=ERD,
            requirements=text,
            content=_DIAGRAM,
            score=80,
            model="llamacpp:hone-starter",
            version=1,
        ),
    )


async def count(client: Client) -> PoolCount | None:
    try:
        found = await rpc.ask(
            client, CountExamples.subject, CountExamples(artifact_type=ERD), PoolCounts, 5.0
        )
    except ServiceUnavailable:
        return None
    return found.types[0] if found.types else None


async def measure_feedback(client: Client, data: Path, port: int, number: int) -> tuple[float, float]:
    """Feedback a second, and the trainer's processor time for each in milliseconds. The pool comes to no batch."""
    await Provisioner(client.jetstream(), []).provision()
    for first in range(0, number, 500):
        told = [feedback(each) for each in range(first, min(first + 500, number))]
        await asyncio.gather(
            *(
                client.jetstream().publish(each.subject, each.model_dump_json().encode(), timeout=60)
                for each in told
            )
        )
    with trainer(data, port) as process_of_trainer:
        while (found := await count(client)) is None or not found.new:
            await asyncio.sleep(0.01)
        before, started, busy = found.new, time.perf_counter(), sum(process_of_trainer.cpu_times()[:2])
        while (found := await count(client)) is None or found.new < number:
            await asyncio.sleep(0.1)
        took, busy = time.perf_counter() - started, sum(process_of_trainer.cpu_times()[:2]) - busy
        return (number - before) / took, busy / (number - before) * 1000


def trainer(data: Path, port: int) -> AbstractContextManager[psutil.Process]:
    return process(
        sys.executable, "-m", "hone_trainer",
        HONE_NATS_URL=f"nats://127.0.0.1:{port}", HONE_DATA_DIR=str(data), HONE_LOOP_BATCH_EXAMPLES="100000000",
    )  # fmt: skip


def fill(file: Path, number: int) -> None:
    """Used examples, as a pool has them after years, straight into the tables."""
    rows = (
        (f"ex_{n:026}", "default", ERD.value, "correction", f"fb_{n}", f"old_{n}", f"Text {n}.", "erDiagram", "{}",
         "[]", "", 90, 0.5, 0.66, 1, "anna", 1, "used", 0, f"batch_{n // 50}", 0, 1,
         key_of(f"Text {n}.", "erDiagram"), "2026-11-25 00:00:00", "2026-11-25 00:00:00")
        for n in range(number)
    )  # fmt: skip
    columns = (
        "id", "tenant", "artifact_type", "source", "origin", "artifact_id", "requirements", "content", "options",
        "evidence", "model", "score", "reward", "agreement", "people", "contributor", "corrected", "state",
        "held_out", "batch", "tries", "current", "key", "created_at", "updated_at",
    )  # fmt: skip
    with sqlite3.connect(file) as database:
        marks = ",".join("?" * len(columns))
        database.executemany(f"INSERT INTO examples ({','.join(columns)}) VALUES ({marks})", rows)
        database.execute("UPDATE pool_types SET used = used + ?", (number,))


async def measure_count(client: Client, data: Path, port: int, number: int) -> list[float]:
    """Milliseconds of each question, over NATS."""
    await asyncio.to_thread(fill, data / "trainer.db", number)
    took = []
    with trainer(data, port):
        while (found := await count(client)) is None:
            await asyncio.sleep(0.05)
        assert found.good >= number
        for _ in range(200):
            started = time.perf_counter()
            await count(client)
            took.append((time.perf_counter() - started) * 1000)
    return took


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0] if __doc__ else None)
    parser.add_argument("--feedback", type=int, default=5_000)
    parser.add_argument("--examples", type=int, default=1_000_000)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="hone-pool-"))
    binary = Path(sys.executable).with_name("nats-server")
    try:
        ports = folder / "ports"
        ports.mkdir()
        words = (
            str(binary),
            "-a",
            "127.0.0.1",
            "-p",
            "-1",
            "-js",
            "-sd",
            str(folder / "store"),
            "--ports_file_dir",
            str(ports),
        )
        with process(*words):
            while not (found := list(ports.glob("*.ports"))) or not found[0].stat().st_size:
                await asyncio.sleep(0.02)
            port = int(json.loads(found[0].read_text())["nats"][0].rsplit(":", 1)[1])
            client = await nats.connect(f"nats://127.0.0.1:{port}")
            rate, busy_ms = await measure_feedback(client, folder / "data", port, options.feedback)
            print(f"feedback into the pool: {rate:,.0f} a second, {busy_ms:.2f} ms of a core each")
            took = await measure_count(client, folder / "data", port, options.examples)
            p99 = statistics.quantiles(took, n=100)[98]
            print(
                f"count with {options.examples:,} examples: p50 {statistics.median(took):.1f} ms, p99 {p99:.1f} ms"
            )
            await client.close()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    asyncio.run(main())
