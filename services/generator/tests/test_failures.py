"""What servers say when they say no, in the words that each of them really uses."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hone_generator.providers.anthropic_wire import AnthropicWire
from hone_generator.providers.errors import (
    ContextTooLong,
    ModelNotFound,
    NotAuthorised,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRefused,
)
from hone_generator.providers.failures import (
    Addressee,
    AnswerTooRoomy,
    Refusal,
    duration_s,
    error_of,
    retry_after_s,
)
from hone_generator.providers.gemini_wire import GeminiWire
from hone_generator.providers.openai_wire import OpenAIWire
from hone_generator.providers.remote_provider import Wire

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
ASKED = Addressee("openai", "openai:gpt-4.1", "OPENAI_API_KEY", models=("gpt-4", "gpt-4.1-mini"))
OPENAI, ANTHROPIC, GEMINI = OpenAIWire(original=True), AnthropicWire(), GeminiWire()


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({}, None),
        ({"retry-after": "20"}, 20),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "999999999"}, 86_400),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Sat, 21 Nov 2026 12:00:30 GMT"}, 30),
        ({"retry-after": "Sat, 21 Nov 2026 11:00:00 GMT"}, 0),
        ({"retry-after": "Sat, 21 Nov 99999 12:00:30 GMT"}, None),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"x-ratelimit-reset-requests": "120ms"}, 0.12),
        ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "6m0s"}, 360),
        (
            {
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-tokens": "6m0s",
                "x-ratelimit-remaining-tokens": "900",
            },
            1,
        ),
    ],
)
def test_how_long_to_wait_is_read_as_servers_write_it(headers: dict[str, str], wait_s: float | None) -> None:
    assert retry_after_s(headers, NOW) == (pytest.approx(wait_s) if wait_s is not None else None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("6m0s", 360), ("1h2m3.5s", 3723.5), ("12ms", 0.012), ("34.074824224s", 34.074824224), ("", None),
     ("soon", None), ("5", None), ("s", None)],
)  # fmt: skip
def test_durations(text: str, seconds: float | None) -> None:
    assert duration_s(text) == seconds


@given(
    st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "x-ratelimit-reset-tokens"]), st.text())
)
def test_whatever_a_header_says_the_wait_is_bounded(headers: dict[str, str]) -> None:
    wait_s = retry_after_s(headers, NOW)
    assert wait_s is None or 0 <= wait_s <= 86_400


OPENAI_ERRORS = [
    (401, {"message": "Incorrect API key provided: sk-1***9.", "code": "invalid_api_key"}, NotAuthorised),
    (401, {"message": "Unauthorized"}, NotAuthorised),
    (429, {"message": "You exceeded your current quota", "code": "insufficient_quota"}, NotAuthorised),
    (429, {"message": "Rate limit reached for gpt-4.1", "type": "tokens"}, RateLimited),
    (400, {"message": "This model's maximum context length is 128000 tokens. However, your messages resulted in "
           "130000 tokens.", "code": "context_length_exceeded"}, ContextTooLong),
    (400, {"message": "Your input exceeds the context window of this model.", "code": "context_length_exceeded"},
     ContextTooLong),
    (400, {"code": 400, "message": "the request exceeds the available context size, try increasing it",
           "type": "exceed_context_size_error", "n_prompt_tokens": 5000, "n_ctx": 4096}, ContextTooLong),
    (404, {"message": "The model `gpt-9` does not exist", "code": "model_not_found"}, ModelNotFound),
    (400, {"message": "Invalid value", "param": "messages"}, RequestRefused),
    (503, {"code": 503, "message": "Loading model", "type": "unavailable_error"}, ProviderUnavailable),
    (500, "a text instead of an object", ProviderUnavailable),
]  # fmt: skip


@pytest.mark.parametrize(("status", "error", "kind"), OPENAI_ERRORS)
def test_what_openai_and_its_like_say(status: int, error: object, kind: type[ProviderError]) -> None:
    assert type(of(OPENAI, status, {"error": error})) is kind


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        ({"object": "error", "message": "The model `x` does not exist.", "code": 404}, ModelNotFound),
        ({"detail": "Not Found"}, ModelNotFound),
    ],
)
def test_errors_without_the_object_around_them(
    document: dict[str, object], kind: type[ProviderError]
) -> None:
    assert type(of(OPENAI, 404, document)) is kind


@pytest.mark.parametrize(
    ("status", "word", "message", "kind"),
    [
        (401, "authentication_error", "invalid x-api-key", NotAuthorised),
        (400, "invalid_request_error", "Your credit balance is too low to access the API.", NotAuthorised),
        (403, "permission_error", "Your API key does not have permission", NotAuthorised),
        (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", ContextTooLong),
        (413, "request_too_large", "Request exceeds the maximum size", ContextTooLong),
        (404, "not_found_error", "model: claude-9", ModelNotFound),
        (429, "rate_limit_error", "This request would exceed your rate limit", RateLimited),
        (529, "overloaded_error", "Overloaded", RateLimited),
        (500, "api_error", "Internal server error", ProviderUnavailable),
    ],
)
def test_what_anthropic_says_before_an_answer_and_in_its_place(
    status: int, word: str, message: str, kind: type[ProviderError]
) -> None:
    document = {"type": "error", "error": {"type": word, "message": message}}
    assert type(of(ANTHROPIC, status, document)) is kind
    assert type(of(ANTHROPIC, None, document)) is kind


@pytest.mark.parametrize(
    ("code", "word", "message", "details", "kind"),
    [
        (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.",
         [{"@type": "…ErrorInfo", "reason": "API_KEY_INVALID"}], NotAuthorised),
        (403, "PERMISSION_DENIED", "Method doesn't allow unregistered callers", [], NotAuthorised),
        (400, "INVALID_ARGUMENT",
         "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).", [],
         ContextTooLong),
        (404, "NOT_FOUND", "models/gemini-9 is not found for API version v1beta", [], ModelNotFound),
        (429, "RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan",
         [{"@type": "…RetryInfo", "retryDelay": "34s"}], RateLimited),
        (503, "UNAVAILABLE", "The model is overloaded. Please try again later.", [], ProviderUnavailable),
        (400, "INVALID_ARGUMENT", "Invalid JSON payload received.", ["not an object", None], RequestRefused),
    ],
)  # fmt: skip
def test_what_gemini_says_before_an_answer_and_in_its_place(
    code: int, word: str, message: str, details: list[object], kind: type[ProviderError]
) -> None:
    document = {"error": {"code": code, "message": message, "status": word, "details": details}}
    for status in (code, None):
        error = of(GEMINI, status, document)
        assert type(error) is kind
        if isinstance(error, RateLimited):
            assert error.retry_after_s == 34


@pytest.mark.parametrize(
    ("message", "prompt_tokens", "context_tokens"),
    [
        ("prompt is too long: 210000 tokens > 200000 maximum", 210_000, 200_000),
        ("The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).", 1048577, 1048576),
        ("This model's maximum context length is 4096 tokens. However, you requested 6100 tokens (5100 in the "
         "messages, 1000 in the completion).", 5100, 4096),
        ("Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in 300000 tokens. "
         "(context length)", 300_000, 272_000),
    ],
)  # fmt: skip
def test_how_long_a_prompt_is_and_may_be_is_told_with_the_servers_own_counts(
    message: str, prompt_tokens: int, context_tokens: int
) -> None:
    error = error_of(ASKED, Refusal(400, "", message))
    assert isinstance(error, ContextTooLong)
    assert (error.prompt_tokens, error.context_tokens) == (prompt_tokens, context_tokens)


@pytest.mark.parametrize(
    ("message", "room_tokens"),
    [
        ("This model's maximum context length is 4096 tokens. However, you requested 9000 tokens (808 in the "
         "messages, 8192 in the completion). Please reduce the length of the messages or completion.", 3288),
        ("'max_tokens' or 'max_completion_tokens' is too large: 8192. This model's maximum context length is 4096 "
         "tokens and your request has 808 input tokens (8192 > 4096 - 808).", 3288),
        ("input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length or "
         "`max_tokens` and try again", 11_760),
    ],
)  # fmt: skip
def test_a_prompt_that_fits_leaves_the_answer_what_room_there_is(message: str, room_tokens: int) -> None:
    error = error_of(ASKED, Refusal(400, "invalid_request_error", message))
    assert isinstance(error, AnswerTooRoomy)
    assert error.room_tokens == room_tokens


def test_a_prompt_that_is_too_long_without_a_count_is_told_without_one() -> None:
    error = error_of(ASKED, Refusal(400, "context_length_exceeded", "Your input exceeds the context window."))
    assert isinstance(error, ContextTooLong)
    assert str(error).startswith("the prompt is more than openai:gpt-4.1 takes;")


def test_models_with_a_name_like_the_wrong_one_are_named_first() -> None:
    error = error_of(ASKED, Refusal(404, "", "no such model"))
    assert isinstance(error, ModelNotFound)
    assert set(error.known) == {"gpt-4", "gpt-4.1-mini"}


DOCUMENTS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(
                ["error", "message", "code", "type", "status", "details", "retryDelay", "reason", "param",
                 "choices", "delta", "content", "usage", "index", "prompt_tokens", "finish_reason",
                 "candidates", "parts", "text", "finishReason", "usageMetadata", "promptTokenCount",
                 "promptFeedback", "blockReason", "stop_reason", "content_block", "input_tokens",
                 "output_tokens", "data", "id", "meta", "models", "name"]
            ),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=12,
)  # fmt: skip


@given(DOCUMENTS, st.sampled_from([None, 200, 400, 404, 429, 500, 503]))
def test_whatever_a_server_sends_is_an_answer_or_an_error_of_ours(
    document: object, status: int | None
) -> None:
    if not isinstance(document, dict):
        return
    for wire in (OPENAI, ANTHROPIC, GEMINI):
        refusal = wire.errors(status, document)
        if refusal is not None:
            assert isinstance(error_of(ASKED, refusal), ProviderError)
            assert "\n" not in refusal.message
            assert len(refusal.message) < 600
        reader = wire.reader("any")
        try:
            reader.read(document)
            if reader.finished:
                reader.last()
            wire.models(document)
        except ProviderError:
            continue


@pytest.mark.parametrize("kind", ["ping", "a_new_type_of_event"])
def test_events_that_mean_nothing_to_us_are_no_part_of_an_answer(kind: str) -> None:
    assert ANTHROPIC.reader("any").read({"type": kind, "delta": {"text": "x"}}) is None


def of(wire: Wire, status: int | None, document: Mapping[str, object]) -> ProviderError:
    refusal = wire.errors(status, json.loads(json.dumps(document)))
    assert refusal is not None
    return error_of(ASKED, refusal)
