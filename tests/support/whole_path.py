"""Gateway, NATS and generator with real providers, in this process, and a fake upstream behind them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import nats
from fake_upstream import FakeUpstream
from playing import KEY, settings
from running import started, until

from hone_contracts.registry import DEFAULT_ROUTE, Route
from hone_contracts.streams import ROUTES_BUCKET
from hone_gateway.app import create as create_gateway
from hone_generator import app
from hone_generator.settings import GeneratorSettings

REQUIREMENTS = "Each member has a name and an email. A member can have many loans."
QUICK = {"connect_s": 20, "first_token_s": 1.5, "total_s": 3}
"""Limits for models that let time pass; others have the usual ones, for the machine may be busy."""
GOOD = json.dumps(
    {
        "reasoning": "Members and loans are kept.",
        "entities": [{"name": "member", "evidence": "Each member has a name"}],
        "attributes": [
            {"entity": "member", "name": "name", "type": "string", "key": "", "evidence": "has a name"},
            {"entity": "member", "name": "email", "type": "string", "key": "", "evidence": "and an email"},
        ],
        "relationships": [
            {
                "from": "member",
                "cardinality": "1:N",
                "to": "loan",
                "evidence": "A member can have many loans.",
            }
        ],
    }
)
"""What a good model answers to ``REQUIREMENTS``, read at once."""


@dataclass
class WholePath:
    http: httpx.AsyncClient

    async def start(self, **more: Any) -> str:
        document = {"type": "mermaid_erd", "requirements": REQUIREMENTS} | more
        started_ = await self.http.post("/api/artifacts", json=document)
        assert started_.status_code == 202, started_.text
        return str(started_.json()["job_id"])

    async def job(self, job_id: str) -> dict[str, Any]:
        found: dict[str, Any] = (await self.http.get(f"/api/jobs/{job_id}")).json()
        return found

    async def ended(self, job_id: str) -> dict[str, Any]:
        return await until(lambda: self.job(job_id), lambda job: job["finished_at"])

    async def artifact(self, **more: Any) -> dict[str, Any]:
        job = await self.ended(await self.start(**more))
        assert job["state"] == "succeeded", job["error"]
        found: dict[str, Any] = (await self.http.get(f"/api/artifacts/{job['result']['artifact_id']}")).json()
        return found

    async def failure(self, **more: Any) -> dict[str, Any]:
        job = await self.ended(await self.start(**more))
        assert job["state"] == "failed"
        found: dict[str, Any] = job["error"]
        return found

    async def events(self, job_id: str) -> list[tuple[str, dict[str, Any]]]:
        """All that the event stream says until it ends."""
        async with self.http.stream("GET", f"/api/jobs/{job_id}/events") as stream:
            lines = [line async for line in stream.aiter_lines()]
        names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
        data = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
        return list(zip(names, data, strict=True))


def default_route(*models: str, **more: Any) -> Route:
    """These models in their order, for every type."""
    first, *others = models
    fields: dict[str, Any] = {"artifact_type": DEFAULT_ROUTE, "model": first}
    fields |= {"fallbacks": [{"model": model} for model in others]}
    return Route.model_validate(fields | more)


@asynccontextmanager
async def whole_path(nats_url: str, folder: Path, *routes: Route, **more: Any) -> AsyncIterator[WholePath]:
    """With the providers that the environment names. ``more`` are settings of the generator."""
    client = await nats.connect(nats_url)
    bucket = await client.jetstream().create_key_value(bucket=ROUTES_BUCKET, history=1)
    for route in routes:
        await bucket.put(route.artifact_type, route.model_dump_json().encode())
    await client.close()
    generator = GeneratorSettings.model_validate(
        {
            "nats_url": nats_url,
            "database_url": f"sqlite+aiosqlite:///{folder / 'generator.db'}",
            "data_dir": folder,
            "graceful_timeout_s": 0.2,
            **more,
        }
    )
    gateway = settings(nats_url, f"sqlite+aiosqlite:///{folder / 'gateway.db'}")
    headers = {"Authorization": f"Bearer {KEY}"}
    async with (
        started(create_gateway(gateway)) as url,
        started(app.create(generator)),
        httpx.AsyncClient(headers=headers, timeout=60, base_url=url, trust_env=False) as http,
    ):
        yield WholePath(http)


@asynccontextmanager
async def upstream_in(environment: Any, **more: Any) -> AsyncIterator[FakeUpstream]:
    """A fake upstream whose addresses and keys are in the environment. ``environment`` is pytest's monkeypatch."""
    async with FakeUpstream(**more) as upstream:
        environment.setenv("OPENAI_BASE_URL", upstream.openai_url)
        environment.setenv("ANTHROPIC_BASE_URL", upstream.anthropic_url)
        environment.setenv("GOOGLE_GEMINI_BASE_URL", upstream.gemini_url)
        for vendor in ("OPENAI", "ANTHROPIC", "GEMINI"):
            environment.setenv(f"{vendor}_API_KEY", f"sk-{vendor.lower()}-secret-0123456789")
        yield upstream
