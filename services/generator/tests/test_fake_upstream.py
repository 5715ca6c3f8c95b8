"""The fake upstream itself: that others can start it, and that what it says is what the real ones say."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import fake_upstream
import httpx
import pytest
from fake_upstream import PROSE, FakeUpstream, serving_upstream
from openai import APIError, BadRequestError, NotFoundError, OpenAI, RateLimitError

MESSAGES = [{"role": "user", "content": "a member has loans"}]
HELD = {
    "type": "json_schema",
    "json_schema": {"name": "a", "schema": {"type": "object", "required": [], "properties": {}}},
}


def test_it_runs_alone_and_says_where() -> None:
    command = [sys.executable, str(Path(fake_upstream.__file__)), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            body = {"model": "any", "messages": MESSAGES}
            answer = httpx.post(f"{url}/v1/chat/completions", json=body, trust_env=False).json()
        finally:
            process.terminate()
    assert answer["choices"][0]["message"]["content"] == PROSE
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] + 15


def test_from_a_thread_of_its_own_it_answers_all_three_at_once_not_streamed() -> None:
    with (
        serving_upstream(FakeUpstream()) as upstream,
        httpx.Client(base_url=upstream.url, trust_env=False) as client,
    ):
        openai = client.post("/v1/chat/completions", json={"model": "any", "messages": MESSAGES}).json()
        anthropic = client.post(
            "/v1/messages", json={"model": "any", "messages": MESSAGES, "max_tokens": 9}
        ).json()
        contents = [{"role": "user", "parts": [{"text": "a member has loans"}]}]
        gemini = client.post("/v1beta/models/any:generateContent", json={"contents": contents}).json()
    assert openai["choices"][0]["message"]["content"] == PROSE
    assert anthropic["content"][0]["text"] == PROSE
    assert gemini["candidates"][0]["content"]["parts"][0]["text"] == PROSE
    assert [each.protocol for each in upstream.requests] == ["openai", "anthropic", "gemini"]
    assert {asked.messages for asked in upstream.asked()} == {(("user", "a member has loans"),)}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("always this", ["always this"] * 3),
        (["first", "then"], ["first", "then", "then"]),
        (lambda asked: f"{asked.model} heard {asked.messages[-1][1]}", ["it heard a member has loans"] * 3),
    ],
)
def test_what_a_test_gives_it_says(given: str, said: list[str]) -> None:
    upstream = FakeUpstream(answers={"it": given})
    body = {"model": "it", "messages": MESSAGES}
    with serving_upstream(upstream):
        answers = [
            httpx.post(f"{upstream.openai_url}/chat/completions", json=body, trust_env=False).json()
            for _ in range(3)
        ]
    assert [answer["choices"][0]["message"]["content"] for answer in answers] == said


def test_flaky_models_fail_the_same_way_in_every_run() -> None:
    def failed(seed: int) -> list[int]:
        with serving_upstream(FakeUpstream(seed=seed)) as upstream, httpx.Client(trust_env=False) as client:
            body = {"model": "flaky-30", "messages": MESSAGES}
            return [
                client.post(f"{upstream.openai_url}/chat/completions", json=body).status_code
                for _ in range(40)
            ]

    first = failed(1)
    assert first == failed(1)
    assert first != failed(2)
    assert 4 <= first.count(500) <= 20


def test_a_schema_is_answered_by_its_least_document_but_by_the_wrong_schema() -> None:
    with serving_upstream(FakeUpstream()) as upstream, httpx.Client(trust_env=False) as client:
        said = {}
        for model in ("any", "wrong-schema"):
            body = {"model": model, "messages": MESSAGES, "response_format": HELD}
            answer = client.post(f"{upstream.openai_url}/chat/completions", json=body).json()
            said[model] = json.loads(answer["choices"][0]["message"]["content"])
    assert said == {"any": {}, "wrong-schema": {"unexpected": [1, 2, 3], "answer": None}}


def test_openais_own_client_understands_it() -> None:
    with serving_upstream(FakeUpstream(models=("good", "fast"))) as upstream:
        client = OpenAI(base_url=upstream.openai_url, api_key="any", max_retries=0)
        question: Any = {"model": "good", "messages": MESSAGES}
        assert client.chat.completions.create(**question).choices[0].message.content == PROSE
        chunks = list(
            client.chat.completions.create(**question, stream=True, stream_options={"include_usage": True})
        )
        assert "".join(each.choices[0].delta.content or "" for each in chunks if each.choices) == PROSE
        assert chunks[-1].usage is not None and chunks[-1].usage.completion_tokens == 15
        assert [model.id for model in client.models.list()] == ["good", "fast"]
        assert len(client.embeddings.create(model="any", input=["a", "b"]).data) == 2
        for model, kind in (
            ("rate-limit", RateLimitError),
            ("missing", NotFoundError),
            ("too-long", BadRequestError),
        ):
            with pytest.raises(kind):
                client.chat.completions.create(model=model, messages=question["messages"])
        with pytest.raises(APIError, match="ran into an error"):
            list(
                client.chat.completions.create(
                    model="error-in-stream", messages=question["messages"], stream=True
                )
            )
