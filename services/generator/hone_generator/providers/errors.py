"""What goes wrong with a provider. ``transient`` tells whether the same request may succeed a little later."""

from typing import ClassVar


class ProviderError(Exception):
    """A provider gave no answer."""

    transient: ClassVar[bool] = False


class ProviderUnavailable(ProviderError):
    """The provider is not there, or went away in the middle of an answer."""

    transient = True

    def __init__(self, provider: str, reason: str) -> None:
        super().__init__(f"{provider} is not available: {reason}; try again, or choose another provider")
        self.provider = provider
        self.reason = reason


class ModelNotFound(ProviderError):
    """The provider has no such model. ``next_step`` is how one gets it, where there is a way."""

    def __init__(
        self, model: str, known: tuple[str, ...] = (), next_step: str = "`hone models ls` shows all"
    ) -> None:
        names = f"it has {', '.join(known[:10])}" if known else "it has none"
        super().__init__(f"there is no model {model}: {names}; {next_step}")
        self.model = model
        self.known = known


class ModelLoadFailed(ProviderError):
    """The model is there and cannot be loaded."""

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(f"{model} cannot be loaded: {reason}; check the file with `hone hub inspect-file`")
        self.model = model
        self.reason = reason


class GenerationTimeout(ProviderError):
    """The model did not finish its answer in time."""

    transient = True

    def __init__(self, model: str, limit_s: float) -> None:
        super().__init__(f"{model} did not finish within {limit_s:g} s; ask for less, or allow more time")
        self.model = model
        self.limit_s = limit_s


class ContextTooLong(ProviderError):
    """The prompt does not fit the model's context."""

    def __init__(self, model: str, prompt_tokens: int, context_tokens: int) -> None:
        super().__init__(
            f"the prompt has {prompt_tokens} tokens and {model} takes {context_tokens}; shorten it, or choose a "
            "route that reads passage by passage"
        )
        self.model = model
        self.prompt_tokens = prompt_tokens
        self.context_tokens = context_tokens


class RequestRefused(ProviderError):
    """The provider understood the request and will not do it: a broken grammar, a wrong parameter."""

    def __init__(self, model: str, reason: str) -> None:
        super().__init__(f"{model} refused the request: {reason}")
        self.model = model
        self.reason = reason


class BadProviderAnswer(ProviderError):
    """The provider answered with something that its protocol does not know."""

    transient = True

    def __init__(self, provider: str, reason: str) -> None:
        super().__init__(f"{provider} gave an answer that is not understood: {reason}")
        self.provider = provider
        self.reason = reason
