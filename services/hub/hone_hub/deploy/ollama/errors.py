"""What stops a deployment to Ollama. Its errors are prose: their words are from recordings and from its source."""

import re
from collections.abc import Callable

from hone_hub.deploy.errors import DeploymentError


class OllamaError(DeploymentError):
    """Base of what Ollama, or the lack of it, refuses. ``url`` is the host's."""


class BadOllamaHost(DeploymentError):
    """This is no address of an Ollama server."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(
            f"{text[:100]!r} is no address of Ollama: {reason}", "set OLLAMA_HOST as in 127.0.0.1:11434"
        )


class OllamaNotRunning(OllamaError):
    """Nothing answers there, or it broke off."""

    status = 503
    transient = True

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"{url} does not answer as Ollama ({reason})", "start it with `ollama serve`, or set OLLAMA_HOST"
        )
        self.url = url


class OllamaBusy(OllamaError):
    """Its queue is full."""

    status = 503
    transient = True

    def __init__(self, url: str, message: str) -> None:
        super().__init__(f"{url} has too much to do: {message}", "wait, or raise OLLAMA_MAX_QUEUE there")


class OllamaTooOld(OllamaError):
    """It makes models from Modelfiles alone."""

    def __init__(self, url: str, version: str, needed: str) -> None:
        super().__init__(f"{url} runs Ollama {version}", f"update it to {needed} or later")
        self.version = version


class OllamaModelMissing(OllamaError):
    """No host has the model that the version is one of."""

    status = 404

    def __init__(self, name: str, urls: tuple[str, ...]) -> None:
        super().__init__(f"{', '.join(urls)} has no model {name}", f"get it with `ollama pull {name}`")
        self.name = name


class OllamaDiskFull(OllamaError):
    """There is no room for its models."""

    status = 507

    def __init__(self, url: str, message: str) -> None:
        super().__init__(
            f"the disk of {url} is full: {message}", "remove models with `ollama rm`, or move OLLAMA_MODELS"
        )


class DigestMismatch(OllamaError):
    """What arrived is not what was sent."""

    def __init__(self, url: str, message: str) -> None:
        super().__init__(
            f"the file did not arrive whole at {url}: {message}", "check the network between, and try again"
        )


class OllamaNameRefused(OllamaError):
    """A name against Ollama's rules."""

    def __init__(self, url: str, message: str) -> None:
        super().__init__(f"{url} does not take the name: {message}", "choose another name")


class ArchitectureUnsupported(OllamaError):
    """Weights of a kind that this Ollama does not know."""

    def __init__(self, url: str, message: str) -> None:
        super().__init__(
            f"{url} does not know the architecture: {message}", "update Ollama, or use the embedded engine"
        )


class OllamaOutOfMemory(OllamaError):
    """The model does not fit beside what is loaded."""

    status = 507

    def __init__(self, url: str, message: str) -> None:
        super().__init__(
            f"{url} has too little memory: {message}",
            "unload other models with `ollama stop`, or use a smaller one",
        )


class TemplateRefused(OllamaError):
    """A template that Ollama cannot read."""

    def __init__(self, url: str, message: str) -> None:
        super().__init__(
            f"{url} does not take the chat template: {message}",
            "check the template (of the base, where it has one)",
        )


class OllamaLoadFailed(OllamaError):
    """It was created, and cannot be used."""

    def __init__(self, url: str, message: str) -> None:
        super().__init__(f"{url} cannot load it: {message}", "see Ollama's log")


class OllamaRefused(OllamaError):
    """Whatever else it says."""

    def __init__(self, url: str, message: str) -> None:
        super().__init__(f"{url} refuses: {message}", "see Ollama's log")


class OllamaTookTooLong(OllamaError):
    """No whole answer in time."""

    status = 504

    def __init__(self, url: str, what: str, limit_s: float) -> None:
        super().__init__(
            f"{url} did not finish to {what} within {limit_s:g} s",
            "is it busy, or the model too large for it?",
        )


class HistoryLost(OllamaError):
    """The examples are in the version and do not reach the model."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(
            f"the examples do not reach the model at {url}: {reason}",
            "give its base a template that renders every message (`ollama show --template`)",
        )


class PromptDiffers(OllamaError):
    """Ollama would ask the model in another form than it was trained in."""

    def __init__(self, url: str, expected: list[int], found: list[int]) -> None:
        at = next(
            (i for i, pair in enumerate(zip(expected, found, strict=False)) if pair[0] != pair[1]), None
        )
        where = f"from token {at} on" if at is not None else f"{len(found)} tokens and not {len(expected)}"
        super().__init__(
            f"{url} makes another prompt of a conversation than the file's template does ({where})",
            "give its base a template that says the same",
        )
        self.expected = expected
        self.found = found


class NotInLibrary(OllamaError):
    """Ollama's library has no such model."""

    status = 404

    def __init__(self, url: str, message: str) -> None:
        super().__init__(
            f"{url} finds no such model to pull: {message}", "see the names at ollama.com/library"
        )


class LibraryUnreachable(OllamaError):
    """Ollama does not get to where models are kept."""

    status = 503
    transient = True

    def __init__(self, url: str, message: str) -> None:
        super().__init__(f"{url} cannot pull: {message}", "check that machine's network, and its proxy")


# In this order: a runner that died of something says what it died of.
_MEANINGS: tuple[tuple[re.Pattern[str], Callable[[str, str], OllamaError]], ...] = tuple(
    (re.compile(words, re.IGNORECASE), kind)
    for words, kind in (
        (r"no space left on device|disk quota exceeded|not enough (disk )?space", OllamaDiskFull),
        (r"digest mismatch", DigestMismatch),
        (
            r"requires more (system|gpu|video)?\s*memory|out of memory|failed to allocate|unable to allocate"
            r"|memory layout cannot be allocated|insufficient memory|ALLOC_FAILED|signal: killed",
            OllamaOutOfMemory,
        ),
        (
            r"unsupported architecture|unknown (model )?architecture|unsupported model",
            ArchitectureUnsupported,
        ),
        (r"pull model manifest: file does not exist", NotInLibrary),
        (
            r"pull model manifest:|dial tcp|no such host|max retries exceeded|part stalled|TLS handshake",
            LibraryUnreachable,
        ),
        (r"template error|template:", TemplateRefused),
        (r"invalid model name", OllamaNameRefused),
        (r"server busy|maximum pending requests", OllamaBusy),
        (
            r"unable to load model|error loading model|failed to load model|runner process|error starting runner"
            r"|does not support (generate|chat)|not in GGUF format|exceeds file size",
            OllamaLoadFailed,
        ),
    )
)


def meaning(url: str, message: str) -> OllamaError:
    """Of what Ollama calls an error."""
    told = " ".join(message.split())[:500] or "an error without a word"
    return next(
        (kind(url, told) for pattern, kind in _MEANINGS if pattern.search(told)), OllamaRefused(url, told)
    )
