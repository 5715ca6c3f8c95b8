"""Any OpenAI client works against /v1: the official package does, streaming and not, and sees failures as such."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from chatting import HELLO, MODEL, Api, PlayedEngine, api_of, client, gateway, generator, joined, saying
from openai import OpenAI
from playing import KEY
from running import started

from hone_contracts.chat import WINDOW
from hone_generator.providers.base import FinishReason


@pytest.fixture
async def api(nats_server: Any, tmp_path: Path) -> AsyncIterator[Api]:
    async with api_of(nats_server.url, tmp_path) as up:
        yield up


async def test_a_chat_is_answered_with_its_usage_and_the_model_that_wrote_it(api: Api) -> None:
    answer = await api.say(model="default", max_tokens=50, temperature=0.5, seed=3, stop=["END", "\n\n"])
    assert answer.choices[0].message.content == "Hello."
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.model, answer.object, answer.id[:9]) == (MODEL, "chat.completion", "chatcmpl-")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (
        7,
        3,
        10,
    )
    assert answer.usage.prompt_tokens_details.cached_tokens == 2
    [asked] = api.engine.asked
    assert (asked.model, asked.max_tokens, asked.temperature, asked.seed) == ("default", 50, 0.5, 3)
    assert asked.stop == ("END", "\n\n")
    assert [(each.role, each.content) for each in asked.messages] == [("user", "Hello")]


def test_the_synchronous_client_works_too(nats_server: Any, tmp_path: Path) -> None:
    async def run() -> tuple[str | None, str]:
        engine = PlayedEngine(saying("Hel", "lo."))
        async with (
            started(generator(nats_server.url, tmp_path, engine)),
            gateway(nats_server.url, tmp_path) as url,
        ):
            return await asyncio.to_thread(ask, url)

    def ask(url: str) -> tuple[str | None, str]:
        with OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=0) as sync:
            whole = sync.chat.completions.create(model=MODEL, messages=HELLO)
            stream = sync.chat.completions.create(model=MODEL, messages=HELLO, stream=True)
            return whole.choices[0].message.content, joined(each.choices[0].delta.content for each in stream)

    assert asyncio.run(run()) == ("Hello.", "Hello.")


async def test_a_stream_comes_as_the_model_writes_with_its_usage_last(api: Api) -> None:
    chunks = [chunk async for chunk in await api.say(stream=True, stream_options={"include_usage": True})]
    *texts, end, counted = chunks
    assert [each.choices[0].delta.content for each in texts] == ["Hel", "lo."]
    assert texts[0].choices[0].delta.role == "assistant"
    assert end.choices[0].finish_reason == "stop"
    assert (counted.choices, counted.usage.total_tokens) == ([], 10)
    assert {chunk.id for chunk in chunks} == {chunks[0].id}
    assert {chunk.model for chunk in chunks} == {MODEL}


async def test_without_include_usage_a_stream_tells_none(api: Api) -> None:
    chunks = [chunk async for chunk in await api.say(stream=True)]
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


async def test_an_answer_that_was_cut_or_filtered_says_so(api: Api) -> None:
    api.engine.play = saying("a", finish=FinishReason.LENGTH, usage=None)
    answer = await api.say()
    assert (answer.choices[0].finish_reason, answer.usage) == ("length", None)
    api.engine.play = saying("a", finish=FinishReason.REFUSED)
    assert [c.choices[0].finish_reason async for c in await api.say(stream=True)][-1] == "content_filter"


async def test_an_answer_of_any_length_comes_whole_and_in_order(api: Api) -> None:
    long = "".join(f"{number:07d} é\n" for number in range(300_000))
    api.engine.play = saying(long[:10], long[10:])
    assert (await api.say()).choices[0].message.content == long
    api.engine.play = saying(*(long[start : start + 1000] for start in range(0, len(long), 1000)))
    pieces = [c.choices[0].delta.content async for c in await api.say(stream=True)]
    assert joined(pieces) == long
    assert len(pieces) > WINDOW


async def test_messages_in_parts_and_a_developers_word_reach_the_model_as_text(api: Api) -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": "c"},
        {"role": "user", "content": "d", "name": "Ann"},
    ]
    await api.say(messages=messages, max_completion_tokens=9)
    [asked] = api.engine.asked
    said = [(each.role.value, each.content) for each in asked.messages]
    assert said == [("system", "Be brief."), ("user", "ab"), ("assistant", "c"), ("user", "d")]
    assert asked.max_tokens == 9


async def test_a_response_format_holds_the_model_to_a_schema(api: Api) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    wrapped = {"name": "answer", "schema": schema, "strict": True}
    await api.say(response_format={"type": "json_schema", "json_schema": wrapped})
    await api.say(response_format={"type": "json_object"})
    await api.say(response_format={"type": "text"})
    assert [each.answer_schema for each in api.engine.asked] == [schema, {"type": "object"}, None]


async def test_what_only_tunes_or_labels_a_request_is_ignored(api: Api) -> None:
    more = {"top_p": 0.9, "presence_penalty": 0.1, "user": "u", "metadata": {"a": "b"}, "n": 1, "tools": []}
    response = await api.post({**more, "tool_choice": "auto", "logprobs": False, "of_the_future": {"x": [1]}})
    assert response.status_code == 200, response.text


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools"),
    ({"functions": [{"name": "f"}]}, "functions"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"n": 2}, "n"),
    ({"n": 0}, "n"),
    ({"logprobs": True}, "logprobs"),
    ({"logit_bias": {"50256": -100}}, "logit_bias"),
    ({"modalities": ["text", "audio"]}, "modalities"),
    ({"audio": {"voice": "v", "format": "wav"}}, "audio"),
    ({"web_search_options": {}}, "web_search_options"),
    ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]}, "messages[0].role"),
    ({"messages": [{"role": "assistant", "tool_calls": [{"id": "1"}]}]}, "messages[0]"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
        "messages[0].content[0]",
    ),
    ({"messages": []}, "messages"),
    ({"messages": [{"role": "user"}]}, "messages[0].content"),
    ({"messages": [{"content": "x"}]}, "messages[0].role"),
    ({"messages": "hi"}, "messages"),
    ({"model": ""}, "model"),
    ({"model": None}, "model"),
    ({"temperature": 3}, "temperature"),
    ({"max_tokens": 0}, "max_tokens"),
    ({"stop": ["a"] * 17}, "stop"),
    ({"stop": ""}, "stop"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    ({"response_format": {"type": "grammar"}}, "response_format.type"),
]


async def test_what_is_not_supported_is_refused_by_name(api: Api) -> None:
    for given, param in REFUSED:
        response = await api.post(given)
        error = response.json()["error"]
        assert response.status_code == 400, given
        assert (error["type"], error["param"]) == ("invalid_request_error", param)
        assert error["message"]
    assert not api.engine.asked


async def test_bodies_that_are_no_json_or_too_large_are_refused(api: Api) -> None:
    response = await api.post(json=None, content=b'{"model": ')
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_value")
    response = await api.post(json=None, content=b"[" * 100_000)
    assert response.status_code == 400
    large = await api.post({"messages": [{"role": "user", "content": "a" * 600_000}]})
    assert (large.status_code, large.json()["error"]["code"]) == (413, "body_too_large")

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(700):
            yield b" " * 1024

    assert (await api.post(json=None, content=chunks())).status_code == 413


async def test_who_has_no_valid_key_gets_in_nowhere(api: Api) -> None:
    async with client(api.url, "wrong") as stranger:
        with pytest.raises(openai.AuthenticationError) as refused:
            await stranger.chat.completions.create(model=MODEL, messages=HELLO)
        assert refused.value.code == "invalid_api_key"
        with pytest.raises(openai.AuthenticationError):
            await stranger.models.list()
    response = await api.post(headers={"Authorization": ""})
    assert response.status_code == 401
    assert not api.engine.asked


async def test_a_page_of_another_site_is_refused_as_under_api(api: Api) -> None:
    response = await api.post(headers={"Authorization": f"Bearer {KEY}", "Origin": "http://evil.example"})
    assert (response.status_code, response.json()["error"]["code"]) == (403, "cross_site")
    response = await api.post(headers={"Authorization": f"Bearer {KEY}", "Host": "evil.example"})
    assert (response.status_code, response.json()["error"]["code"]) == (421, "wrong_host")


async def test_models_are_listed_and_found_by_name(api: Api) -> None:
    listed = [each async for each in api.openai.models.list()]
    assert [(each.id, each.owned_by) for each in listed] == [
        ("default", "hone"),
        ("hone/openapi", "hone"),
        (MODEL, "played"),
        ("openai+http://127.0.0.1:1/v1:some/model", "openai"),
    ]
    assert (await api.openai.models.retrieve("hone/openapi")).id == "hone/openapi"
    assert (await api.openai.models.retrieve(listed[-1].id)).id == listed[-1].id
    with pytest.raises(openai.NotFoundError) as absent:
        await api.openai.models.retrieve("no:model")
    assert absent.value.code == "model_not_found"


async def test_unknown_endpoints_and_methods_are_told_in_the_same_form(api: Api) -> None:
    with pytest.raises(openai.NotFoundError):
        await api.openai.images.generate(prompt="a cat", model="m")
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}) as http:
        response = await http.get(f"{api.url}/v1/chat/completions")
        assert (response.status_code, response.json()["error"]["code"]) == (405, "method_not_allowed")
        metrics = (await http.get(f"{api.url}/metrics")).text
    assert 'route="/v1/chat/completions",status="405"' in metrics
    assert "/v1/images" not in metrics
