"""Keys: where they come from, that what cannot be one is refused at the start, and that nothing ever shows one."""

import logging
import traceback
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fake_upstream import FakeUpstream
from fake_upstream_troubles import Delays
from remote_cases import ASK, KEY, PROTOCOLS, Protocol, asking, chunks

from hone_generator.providers.errors import NotAuthorised, ProviderError
from hone_generator.providers.keys import InvalidKey, Keys

HURRIED = "slow-first-token stall"
FAILING = (
    "error-in-stream cut-stream early-end garbage deep wrong-shape huge redirect portal teapot missing forbidden "
    "too-long rate-limit 503-queue down overloaded flaky-100 echo-key echo-in-stream echo-type slow-first-token stall"
)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("model", FAILING.split())
async def test_no_failure_shows_the_key(
    protocol: Protocol, model: str, caplog: pytest.LogCaptureFixture
) -> None:
    # At DEBUG, httpcore writes down what a server sends, too.
    caplog.set_level(logging.INFO if model == "echo-type" else logging.DEBUG)
    hurried = replace(ASK, first_token_s=0.15, timeout_s=0.3)
    async with (
        FakeUpstream(delays=Delays(retry_after_s=0.05)) as upstream,
        asking(upstream, protocol) as provider,
    ):
        with pytest.raises(ProviderError) as raised:
            await chunks(provider, model, hurried if model in HURRIED else ASK)
        assert KEY in str(upstream.requests[0].request.headers)
    assert shown(raised.value, caplog).count(KEY) == 0


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_no_failure_to_connect_and_no_refused_key_shows_the_key(
    protocol: Protocol, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with asking(FakeUpstream(url="http://127.0.0.1:9"), protocol) as provider:
        with pytest.raises(ProviderError) as raised:
            await chunks(provider, "any")
        health = await provider.health()
        assert KEY not in shown(raised.value, caplog) + repr(provider) + repr(vars(provider)) + health.detail
    async with FakeUpstream(keys={protocol: "another"}) as upstream, asking(upstream, protocol) as provider:
        with pytest.raises(NotAuthorised) as refused:
            await chunks(provider, "any")
        health = await provider.health()
    assert KEY not in shown(refused.value, caplog) + health.detail


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_an_answer_that_repeats_the_key_does_not(protocol: Protocol) -> None:
    upstream = FakeUpstream(answer=lambda _: f"your key is {KEY} and so on")
    async with upstream, asking(upstream, protocol) as provider:
        said = await chunks(provider, "any")
    assert KEY not in "".join(chunk.text for chunk in said)


@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_key_is_in_no_url_and_in_no_body(protocol: Protocol) -> None:
    async with FakeUpstream() as upstream, asking(upstream, protocol) as provider:
        await chunks(provider, "any")
        await provider.health()
    for recorded in upstream.requests:
        request = recorded.request
        assert KEY not in f"{request.path}{request.query}{request.body!r}"


def shown(error: BaseException, caplog: pytest.LogCaptureFixture) -> str:
    """All that an error can show: what caused it, and the variables of every function on its way but the test's."""
    parts = [f"{record.getMessage()} {record.args!r} {vars(record)!r}" for record in caplog.records]
    waiting: list[BaseException | None] = [error]
    seen: set[int] = set()  # causes may go in circles
    while waiting:
        each = waiting.pop()
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        waiting += [each.__cause__, each.__context__]
        parts += [str(each), repr(each), repr(vars(each)), headers_of(vars(each).get("_request"))]
        for frame, _ in traceback.walk_tb(each.__traceback__):
            if "/tests/" not in frame.f_code.co_filename:
                parts += [f"{value!r} {headers_of(value)}" for value in frame.f_locals.values()]
    return "\n".join(parts)


def headers_of(value: object) -> str:
    """What httpx keeps of a request, in exceptions and in answers."""
    request = value.request if isinstance(value, httpx.Response) else value
    return str(request.headers.raw) if isinstance(request, httpx.Request) else ""


def test_keys_come_from_the_environment_or_from_files_that_it_names(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    keys = Keys.from_environment(
        {
            "OPENAI_API_KEY_FILE": str(file),
            "ANTHROPIC_API_KEY": "sk-ant-0123456789",
            "GOOGLE_API_KEY": "google-0123456789",
            "HONE_OPENAI_SERVER_KEYS": "http://box:8000/v1=key-of-box, https://gateway.example/v1/=key-of-gateway",
        }
    )
    assert [key and key.get_secret_value() for key in (keys.openai, keys.anthropic, keys.gemini)] == [
        KEY, "sk-ant-0123456789", "google-0123456789",
    ]  # fmt: skip
    assert {url: key.get_secret_value() for url, key in keys.servers.items()} == {
        "http://box:8000/v1": "key-of-box",
        "https://gateway.example/v1": "key-of-gateway",
    }
    assert KEY not in repr(keys) + str(keys)


def test_geminis_own_variable_wins_and_empty_ones_are_not_set() -> None:
    environment = {
        "GEMINI_API_KEY": "gemini-0123456789",
        "GOOGLE_API_KEY": "google-0123456789",
        "OPENAI_API_KEY": "",
    }
    keys = Keys.from_environment(environment)
    assert keys.gemini is not None
    assert keys.gemini.get_secret_value() == "gemini-0123456789"
    assert keys.openai is None
    assert keys.anthropic is None


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("   ", "empty"),
        (f"{KEY}\n{KEY}", "white space"),
        (f"{KEY} {KEY}", "white space"),
        (f"{KEY}\x00", "white space"),
        (f"{KEY}ü", "white space"),
        ("sk-7h15", "has 7 characters"),
        (KEY * 200, "characters"),
    ],
)
@pytest.mark.parametrize(
    "variable", ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"]
)
def test_what_is_no_key_is_refused_by_the_name_of_its_variable(
    variable: str, value: str, says: str, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text(value)
    for environment, name in (
        ({variable: value}, variable),
        ({f"{variable}_FILE": str(file)}, f"{variable}_FILE"),
    ):
        with pytest.raises(InvalidKey, match=says) as raised:
            Keys.from_environment(environment)
        assert str(raised.value).startswith(name)
        report = "".join(traceback.format_exception(raised.value))
        assert "7h15" not in report


@pytest.mark.parametrize("content", [None, b"\xff\xfe\xff sk-7h15"])
def test_a_file_that_cannot_be_read_is_refused(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidKey, match="OPENAI_API_KEY_FILE") as raised:
        Keys.from_environment({"OPENAI_API_KEY_FILE": str(file)})
    assert "7h15" not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("value", ["http://box:8000/v1", "http://box:8000/v1=a b c d e f g h"])
def test_keys_of_servers_are_checked_too(value: str) -> None:
    with pytest.raises(InvalidKey, match="HONE_OPENAI_SERVER_KEYS"):
        Keys.from_environment({"HONE_OPENAI_SERVER_KEYS": value})
