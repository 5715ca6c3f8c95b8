"""How fast the path is: from POST /api/artifacts to ArtifactGenerated, with a model that answers at once.

    python bench/path.py [--requests 400] [--connections 1 8 32] [--json]

Everything but the model is real: `hone up` with its five services, NATS with fsync, SQLite with fsync, Mermaid's
grammar. The load comes from this process over keep-alive connections, so on a machine of two cores it competes
with what it measures. Where the time goes is read off the bus: the command and the event are seen as they pass.
"""

import argparse
import asyncio
import json
import statistics
import time
from dataclasses import dataclass, field
from typing import Any

import nats
import whole_hone
from nats.aio.msg import Msg

from hone_contracts.generation import ArtifactGenerated, GenerateArtifact

_BODY = json.dumps({"type": "mermaid_erd", "requirements": "A member can have many loans."}).encode()
_LIMIT_S = 300


@dataclass
class Seen:
    """When a job's messages passed, in seconds of one clock."""

    posted: float = 0.0
    accepted: float = 0.0
    commanded: float = 0.0
    generated: float = 0.0
    working_ms: float = 0.0


@dataclass
class Watch:
    jobs: dict[str, Seen] = field(default_factory=dict)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    expected: int = 0
    finished: int = 0

    def of(self, job: str) -> Seen:
        return self.jobs.setdefault(job, Seen())

    async def command(self, message: Msg) -> None:
        self.of(json.loads(message.data)["correlation_id"]).commanded = time.perf_counter()

    async def event(self, message: Msg) -> None:
        body = json.loads(message.data)
        seen = self.of(body["correlation_id"])
        seen.generated, seen.working_ms = time.perf_counter(), body["artifact"]["timings_ms"]["total"]
        self.finished += 1
        if self.finished >= self.expected:
            self.done.set()


async def post(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str) -> str:
    """One request on a kept connection; gives the job's id."""
    head = (
        "POST /api/artifacts HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {key}\r\nContent-Length: {len(_BODY)}\r\n\r\n"
    )
    writer.write(head.encode() + _BODY)
    answer = await reader.readuntil(b"\r\n\r\n")
    length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    body = await reader.readexactly(length)
    if b" 202 " not in answer.split(b"\r\n", 1)[0]:
        raise SystemExit(f"refused: {body.decode()}")
    job: str = json.loads(body)["job_id"]
    return job


async def measure(state: dict[str, Any], key: str, requests: int, connections: int) -> dict[str, Any]:
    watch = Watch(expected=requests)
    client = await nats.connect(state["nats"]["url"])
    await client.subscribe(GenerateArtifact.subject, cb=watch.command)
    await client.subscribe(ArtifactGenerated.subject, cb=watch.event)
    await client.flush()
    port = int(state["url"].rsplit(":", 1)[1])
    left = iter(range(requests))

    async def user() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in left:
            posted = time.perf_counter()
            seen = watch.of(await post(reader, writer, key))
            seen.posted, seen.accepted = posted, time.perf_counter()
            if connections == 1:  # alone on the path: wait for the answer before the next request
                while not seen.generated:
                    await asyncio.sleep(0.0002)
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(user() for _ in range(connections)))
    await asyncio.wait_for(watch.done.wait(), _LIMIT_S)
    elapsed_s = time.perf_counter() - started
    await client.close()
    return {"connections": connections, "requests": requests, "per_s": requests / elapsed_s} | phases(watch)


def phases(watch: Watch) -> dict[str, Any]:
    seen = [each for each in watch.jobs.values() if each.generated]
    return {
        "total_ms": spread([(each.generated - each.posted) * 1000 for each in seen]),
        "post_to_202_ms": spread([(each.accepted - each.posted) * 1000 for each in seen]),
        "post_to_command_ms": spread([(each.commanded - each.posted) * 1000 for each in seen]),
        "command_to_event_ms": spread([(each.generated - each.commanded) * 1000 for each in seen]),
        "of_which_generating_ms": spread([each.working_ms for each in seen]),
    }


def spread(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        "p50": round(statistics.median(ordered), 2),
        "p95": round(ordered[int(len(ordered) * 0.95)], 2),
        "max": round(ordered[-1], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=400)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with whole_hone.up() as hone:
        asyncio.run(measure(hone.state, hone.key, 50, 4))  # warm up: node starts, caches fill
        results = [
            asyncio.run(measure(hone.state, hone.key, options.requests, n)) for n in options.connections
        ]
    for result in results:
        print(json.dumps(result) if options.json else shown(result))


def shown(result: dict[str, Any]) -> str:
    lines = [f"{result['connections']} connections: {result['per_s']:.0f} requests/s"]
    for name, figures in result.items():
        if isinstance(figures, dict):
            lines.append(
                f"  {name:24} p50 {figures['p50']:8.2f}  p95 {figures['p95']:8.2f}  max {figures['max']:8.2f}"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
