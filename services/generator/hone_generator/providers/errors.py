"""What goes wrong with a provider. ``transient`` tells whether the same request may succeed a little later."""

from typing import ClassVar


class ProviderError(Exception):
    """A provider gave no answer. ``code`` is for programs and metrics."""

    transient: ClassVar[bool] = False
    code: ClassVar[str] = "provider"


class ProviderUnavailable(ProviderError):
    """The provider is not there, or went away in the middle of an answer."""

    transient = True
    code = "unavailable"

    def __init__(self, provider: str, reason: str) -> None:
        super().__init__(f"{provider} is not available: {reason}; try again, or choose another provider")
        self.provider = provider
        self.reason = reason


class ModelNotFound(ProviderError):
    """The provider has no such model. ``next_step`` is how one gets it, where there is a way."""

    code = "model_not_found"

    def __init__(
        self, model: str, known: tuple[str, ...] = (), next_step: str = "`hone models ls` shows all"
    ) -> None:
        names = f"it has {', '.join(known[:10])}" if known else "it has none"
        super().__init__(f"there is no model {model}: {names}; {next_step}")
        self.model = model
        self.known = known


class ModelLoadFailed(ProviderError):
    """The model is there and cannot be loaded."""

    code = "load_failed"

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(f"{model} cannot be loaded: {reason}; check the file with `hone hub inspect-file`")
        self.model = model
        self.reason = reason


class GenerationTimeout(ProviderError):
    """The model did not finish its answer in time, or did not ``begin`` it: each has its limit."""

    transient = True
    code = "timeout"

    def __init__(self, model: str, limit_s: float, *, began: bool = True) -> None:
        what = "finish" if began else "begin to answer"
        super().__init__(f"{model} did not {what} within {limit_s:g} s; ask for less, or allow more time")
        self.model = model
        self.limit_s = limit_s


class ContextTooLong(ProviderError):
    """The prompt does not fit the model's context. 0 tokens: the provider does not tell how many."""

    code = "context_too_long"

    def __init__(self, model: str, prompt_tokens: int, context_tokens: int) -> None:
        takes = f"the {context_tokens} tokens that {model} takes" if context_tokens else f"{model} takes"
        has = f" of {prompt_tokens} tokens" if prompt_tokens else ""
        super().__init__(
            f"the prompt{has} is more than {takes}; shorten it, or choose a route that reads passage by passage"
        )
        self.model = model
        self.prompt_tokens = prompt_tokens
        self.context_tokens = context_tokens


class RequestRefused(ProviderError):
    """The provider understood the request and will not do it: a broken grammar, a wrong parameter."""

    code = "refused"

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(f"{model} refused the request: {reason}")
        self.model = model
        self.reason = reason


class BadProviderAnswer(ProviderError):
    """The provider answered with something that its protocol does not know."""

    transient = True
    code = "bad_answer"

    def __init__(self, provider: str, reason: str) -> None:
        super().__init__(f"{provider} gave an answer that is not understood: {reason}")
        self.provider = provider
        self.reason = reason


class RateLimited(ProviderError):
    """The provider asks for patience (429, or a full queue). ``retry_after_s`` is what it said, if it did."""

    transient = True
    code = "rate_limited"

    def __init__(self, provider: str, retry_after_s: float | None = None, reason: str = "") -> None:
        wait = f"; it asks to wait {retry_after_s:g} s" if retry_after_s is not None else ""
        super().__init__(f"{provider} takes no more requests for now{wait}{f': {reason}' if reason else ''}")
        self.provider = provider
        self.retry_after_s = retry_after_s


class NotAuthorised(ProviderError):
    """The provider does not take our key, or there is none."""

    code = "not_authorised"

    def __init__(self, provider: str, key_name: str, reason: str) -> None:
        super().__init__(
            f"{provider}: {reason}; check {key_name} in the generator's environment (`hone status`)"
        )
        self.provider = provider
        self.key_name = key_name


class StreamBroken(ProviderError):
    """The answer began and did not come to its end: the connection was cut, or an error came in the middle of it."""

    transient = True
    code = "stream_broken"

    def __init__(self, provider: str, reason: str) -> None:
        super().__init__(f"{provider} broke off in the middle of its answer: {reason}")
        self.provider = provider
        self.reason = reason
