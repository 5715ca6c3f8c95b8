"""How much feedback a second comes into the pool: from POST .../feedback to the trainer's row, everything durable.

    python bench/feedback.py [--feedback 5000] [--artifacts 400] [--connections 1 32 64] [--json]

`hone up` with its five services, NATS with fsync, SQLite with fsync; only the generator's model is played. Thumbs of
many people on many artifacts come over kept connections from this process, which shares the cores with what it
measures. ``into_pool_per_s`` counts until the trainer has acknowledged the last of them.
"""

import argparse
import asyncio
import json
import statistics
import time
from typing import Any

import nats
import uvloop
import whole_hone

from hone_contracts import streams

_REQUIREMENTS = "A member can have many loans."
_DURABLE = "trainer-feedback"
# One key gives all of it, and no run begins meanwhile.
_ENVIRONMENT = {"HONE_LOOP_FEEDBACK_PER_MINUTE": "1000000000", "HONE_LOOP_ENABLED": "false"}
_LIMIT_S = 300


class Caller:
    """Requests one after the other on one kept connection."""

    def __init__(self, port: int, key: str) -> None:
        self._port, self._head = port, f"Host: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"

    async def __aenter__(self) -> "Caller":
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def ask(self, method: str, path: str, document: Any = None) -> Any:
        body = b"" if document is None else json.dumps(document).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\n{self._head}Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = int(answer.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        told = await self._reader.readexactly(length)
        if not answer.startswith(b"HTTP/1.1 20"):
            raise SystemExit(f"refused: {told.decode()}")
        return json.loads(told)


async def artifacts(hone: whole_hone.Hone, count: int) -> list[str]:
    """The ids of as many artifacts, generated."""
    left, made = iter(range(count)), list[str]()

    async def user() -> None:
        async with Caller(hone.port, hone.key) as caller:
            for number in left:
                body = {"type": "mermaid_erd", "requirements": f"{_REQUIREMENTS} Nr. {number}."}
                job = (await caller.ask("POST", "/api/artifacts", body))["job_id"]
                while (found := await caller.ask("GET", f"/api/jobs/{job}"))["state"] != "succeeded":
                    if found["state"] == "failed":
                        raise SystemExit(f"no artifact: {found['error']}")
                    await asyncio.sleep(0.05)
                made.append(found["result"]["artifact_id"])

    await asyncio.gather(*(user() for _ in range(8)))
    return made


async def measure(hone: whole_hone.Hone, known: list[str], count: int, connections: int) -> dict[str, Any]:
    client = await nats.connect(hone.state["nats"]["url"])
    jetstream = client.jetstream()
    times, left = list[float](), iter(range(count))

    async def person() -> None:
        async with Caller(hone.port, hone.key) as caller:
            for number in left:
                # Another person for each round over the artifacts: no word supersedes another.
                user = f"{connections}-{number // len(known)}"
                path = f"/api/artifacts/{known[number % len(known)]}/feedback"
                started = time.perf_counter()
                await caller.ask("POST", path, {"thumb": "up", "user": user})
                times.append((time.perf_counter() - started) * 1000)

    started, cpu = time.perf_counter(), _cpu_s(hone)
    await asyncio.gather(*(person() for _ in range(connections)))
    answered_s = time.perf_counter() - started
    async with asyncio.timeout(_LIMIT_S):
        while await _waiting(jetstream):
            await asyncio.sleep(0.05)
    elapsed_s = time.perf_counter() - started
    spent = {name: round((now - cpu[name]) / count * 1000, 2) for name, now in _cpu_s(hone).items()}
    await client.close()
    ordered = sorted(times)
    return {
        "connections": connections,
        "feedback": count,
        "answered_per_s": round(count / answered_s, 1),
        "into_pool_per_s": round(count / elapsed_s, 1),
        "p50_ms": round(statistics.median(ordered), 2),
        "p99_ms": round(ordered[int(len(ordered) * 0.99)], 2),
        "cpu_ms_each": spent,
    }


async def _waiting(jetstream: Any) -> int:
    """What is not in the pool yet, as far as the broker knows of it."""
    told = await jetstream.consumer_info(streams.EVENTS.name, _DURABLE)
    return int(told.num_pending or 0) + int(told.num_ack_pending or 0)


def _cpu_s(hone: whole_hone.Hone) -> dict[str, float]:
    """What the processes on the path have used so far (utime and stime of /proc/PID/stat, in ticks of 10 ms)."""
    pids = {name: hone.pid_of(name) for name in ("gateway", "trainer")} | {"nats": hone.state["nats"]["pid"]}
    spent = {"this bench": time.process_time()}
    for name, pid in pids.items():
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123
            fields = stat.read().rsplit(")", 1)[1].split()
        spent[name] = (int(fields[11]) + int(fields[12])) / 100
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--feedback", type=int, default=5000)
    parser.add_argument("--artifacts", type=int, default=400)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 32, 64])
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with whole_hone.up(environment=_ENVIRONMENT) as hone:
        known = uvloop.run(artifacts(hone, options.artifacts))
        uvloop.run(measure(hone, known, 100, 4))  # warm up
        for connections in options.connections:
            result = uvloop.run(measure(hone, known, options.feedback, connections))
            print(json.dumps(result) if options.json else shown(result), flush=True)


def shown(result: dict[str, Any]) -> str:
    spent = ", ".join(f"{name} {each:.2f}" for name, each in result["cpu_ms_each"].items())
    return (
        f"{result['connections']} connections: {result['answered_per_s']:.0f}/s answered, "
        f"{result['into_pool_per_s']:.0f}/s into the pool; p50 {result['p50_ms']:.1f} ms, "
        f"p99 {result['p99_ms']:.1f} ms; CPU ms each: {spent}"
    )


if __name__ == "__main__":
    main()
