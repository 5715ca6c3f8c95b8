"""What a chat's caller is told of a failure: a status that fits, and never more than may be known."""

from hone_chassis.errors import Permanent
from hone_contracts.artifacts import Attempt
from hone_generator.chat.failures import frame_of
from hone_generator.engine.errors import NoAnswer
from hone_generator.providers.errors import NotAuthorised, ProviderUnavailable


def no_answer(*codes: str, retry_after_s: float | None = None) -> tuple[int, str, bool, float | None]:
    attempts = [
        Attempt(model="a:b", prompt_version="1", outcome="failed", error_code=code, error="x")
        for code in codes
    ]
    frame = frame_of(NoAnswer(attempts, retry_after_s))
    assert frame is not None and frame.error is not None
    return frame.error.status, frame.error.code, frame.error.transient, frame.retry_after_s


def test_models_that_all_met_the_same_give_its_status() -> None:
    assert no_answer("model_not_found", "model_not_found") == (404, "model_not_found", False, None)
    assert no_answer("context_too_long") == (400, "context_too_long", False, None)
    assert no_answer("timeout") == (504, "timeout", True, None)
    assert no_answer("cloud_not_allowed") == (403, "cloud_not_allowed", False, None)


def test_models_that_met_different_things_are_one_bad_gateway() -> None:
    assert no_answer("model_not_found", "timeout") == (502, "no_answer", True, None)
    assert no_answer("rate_limited", "timeout") == (502, "no_answer", True, None)


def test_patience_is_asked_for_also_where_the_model_is_left_alone_by_now() -> None:
    assert no_answer("rate_limited", "circuit_open", retry_after_s=7.5) == (429, "rate_limited", True, 7.5)
    assert no_answer("circuit_open") == (503, "circuit_open", True, None)


def test_a_provider_that_does_not_take_our_key_is_no_fault_of_the_callers() -> None:
    frame = frame_of(NotAuthorised("openai", "OPENAI_API_KEY", "401"))
    assert frame is not None and frame.error is not None
    assert (frame.error.status, frame.error.transient) == (502, False)


def test_what_is_no_known_failure_is_not_told() -> None:
    assert frame_of(RuntimeError("sk-secret")) is None
    assert frame_of(KeyError("x")) is None


def test_known_failures_keep_what_they_say() -> None:
    refused = frame_of(Permanent("server_not_allowed", "No", "not there", 403))
    away = frame_of(ProviderUnavailable("ollama", "refused"))
    assert refused is not None and refused.error is not None and refused.error.status == 403
    assert away is not None and away.error is not None and away.error.transient
