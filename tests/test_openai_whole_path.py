"""/v1 with the real engine and providers behind it: fallbacks, troubles of models, and what callers may not reach."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from chatting import HELLO, client, joined
from fake_upstream import PROSE, FakeUpstream
from fake_upstream_troubles import Delays
from openai import AsyncOpenAI
from running import until
from whole_path import QUICK, default_route, upstream_in, whole_path

from hone_contracts.artifacts import ArtifactType
from hone_contracts.registry import Route

SECRET = "sk-openai-secret-0123456789"


@pytest.fixture
async def upstream(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeUpstream]:
    async with upstream_in(monkeypatch, delays=Delays(retry_after_s=0.1)) as fake:
        yield fake


@asynccontextmanager
async def v1(nats_server: Any, folder: Path, *routes: Route) -> AsyncIterator[AsyncOpenAI]:
    async with (
        whole_path(nats_server.url, folder, *routes) as path,
        client(str(path.http.base_url)) as asking,
    ):
        yield asking


async def ask(asking: AsyncOpenAI, model: str, **more: Any) -> Any:
    return await asking.chat.completions.create(model=model, messages=HELLO, **more)


async def streamed(asking: AsyncOpenAI, model: str) -> tuple[str, set[str]]:
    chunks = [chunk async for chunk in await ask(asking, model, stream=True)]
    return joined(c.choices[0].delta.content for c in chunks), {chunk.model for chunk in chunks}


async def test_the_default_route_answers_with_the_first_model_that_speaks(
    nats_server: Any, tmp_path: Path, upstream: FakeUpstream
) -> None:
    upstream.answers["good"] = PROSE
    async with v1(nats_server, tmp_path, default_route("openai:down", "openai:good")) as asking:
        answer = await ask(asking, "default")
        assert (answer.choices[0].message.content, answer.model) == (PROSE, "openai:good")
        assert answer.usage.total_tokens > 0
        assert await streamed(asking, "default") == (PROSE, {"openai:good"})
        assert await streamed(asking, "hone/openapi") == (PROSE, {"openai:good"})
        assert (await ask(asking, "openai:good")).choices[0].message.content == PROSE


async def test_a_stream_that_dies_midway_is_seen_and_never_continued_by_another(
    nats_server: Any, tmp_path: Path, upstream: FakeUpstream
) -> None:
    troubles = {
        ArtifactType.OPENAPI: "cut-stream",
        ArtifactType.SQL_DDL: "error-in-stream",
        ArtifactType.JSON_SCHEMA: "stall",
    }
    upstream.answers |= dict.fromkeys(troubles.values(), PROSE) | {"good": "NOT THIS"}
    routes = [
        default_route(f"openai:{trouble}", "openai:good", limits=QUICK).model_copy(
            update={"artifact_type": each}
        )
        for each, trouble in troubles.items()
    ]
    async with v1(nats_server, tmp_path, *routes) as asking:
        for each in troubles:
            seen: list[str] = []
            with pytest.raises(openai.APIError):
                chunks = await ask(asking, f"hone/{each}", stream=True)
                while True:
                    seen.append((await anext(chunks)).choices[0].delta.content or "")
            assert 0 < len(joined(seen)) < len(PROSE)
            assert PROSE.startswith(joined(seen))


STATUSES: Sequence[tuple[str, int]] = [
    ("missing", 404),
    ("forbidden", 502),
    ("rate-limit", 429),
    ("down", 502),
    ("slow-first-token", 504),
]


async def test_a_model_alone_in_trouble_is_told_by_its_status(
    nats_server: Any, tmp_path: Path, upstream: FakeUpstream
) -> None:
    async with v1(
        nats_server, tmp_path, default_route("openai:good", attempts_per_model=1, limits=QUICK)
    ) as asking:
        for trouble, status in STATUSES:
            with pytest.raises(openai.APIStatusError) as told:
                await ask(asking, f"openai:{trouble}")
            assert told.value.status_code == status, told.value.message


async def test_no_key_comes_out_even_when_the_provider_quotes_it(
    nats_server: Any, tmp_path: Path, upstream: FakeUpstream
) -> None:
    async with v1(nats_server, tmp_path, default_route("openai:good")) as asking:
        for stream in (False, True):
            with pytest.raises(openai.APIStatusError) as told:
                await ask(asking, "openai:echo-key", stream=stream)
            assert SECRET not in told.value.response.text
    assert any(SECRET in each.request.headers.get("authorization", "") for each in upstream.requests)


async def test_a_model_reference_reaches_no_server_that_nobody_named(
    nats_server: Any, tmp_path: Path, upstream: FakeUpstream
) -> None:
    """The upstream is on loopback, where a caller could else reach everything that listens beside the generator."""
    named = default_route("openai:good", f"openai+{upstream.openai_url}:good")
    for routes, status in (((), 403), ((named,), 200)):
        upstream.requests.clear()
        folder = tmp_path / str(status)
        folder.mkdir()
        async with v1(nats_server, folder, *routes) as asking:
            model = f"openai+{upstream.openai_url}:good"
            if status == 200:
                assert (await ask(asking, model)).model == model
            else:
                with pytest.raises(openai.PermissionDeniedError) as refused:
                    await ask(asking, model)
                assert refused.value.code == "server_not_allowed"
                assert not upstream.requests


async def test_a_schema_holds_the_answer_all_the_way(
    nats_server: Any, tmp_path: Path, upstream: FakeUpstream
) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    async with v1(nats_server, tmp_path, default_route("openai:any")) as asking:
        wrapped = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
        answer = await ask(
            asking, "default", response_format=wrapped, temperature=0.3, max_tokens=77, stop=["END"], seed=5
        )
    assert isinstance(json.loads(answer.choices[0].message.content)["n"], int)
    body = upstream.requests[-1].body
    assert body["temperature"] == 0.3
    assert body["stop"] == ["END"]
    assert body["seed"] == 5
    assert 77 in (body.get("max_tokens"), body.get("max_completion_tokens"))


async def test_hanging_up_reaches_the_provider(
    nats_server: Any, tmp_path: Path, upstream: FakeUpstream
) -> None:
    """The upstream would write for ever: it stops when its connection is closed."""
    limits = {"connect_s": 2, "first_token_s": 30, "total_s": 600}
    async with v1(nats_server, tmp_path, default_route("openai:endless", limits=limits)) as asking:
        stream = await ask(asking, "default", stream=True, max_tokens=100_000)
        await anext(stream)
        await stream.close()
        await until(lambda: upstream.gone)


async def test_the_models_of_routes_and_providers_are_listed(
    nats_server: Any, tmp_path: Path, upstream: FakeUpstream
) -> None:
    upstream.answers["mine"] = PROSE
    async with v1(nats_server, tmp_path, default_route("openai:good", "ollama:absent")) as asking:
        listed = [model.id async for model in asking.models.list()]
    assert listed[0] == "default"
    assert {"openai:good", "ollama:absent"} <= set(listed)
