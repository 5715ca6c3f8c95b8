"""What Ollama's errors mean. They are prose: these words are from recordings, its source and its users' reports."""

import re
import shlex
from collections.abc import Callable, Sequence

from hone_generator.memory.errors import OutOfMemory, RunnerDied
from hone_generator.providers.errors import (
    ContextTooLong,
    ModelLoadFailed,
    ModelNotFound,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRefused,
)
from hone_generator.providers.ollama_hosts import PROVIDER
from hone_generator.providers.wire_fields import Document

DEFAULT_URL = "http://127.0.0.1:11434"

_TOO_LONG = re.compile(r"exceed\w* .*context|context .*exceed|prompt (is )?too long", re.IGNORECASE)
# "model requires more system memory (56.7 GiB) than is available (3.2 GiB)", "cudaMalloc failed: out of memory",
# "error loading model: unable to allocate CUDA0 buffer", "signal: killed" by the kernel that has no more memory.
_NO_MEMORY = re.compile(
    r"requires more (system|gpu|video)?\s*memory|out of memory|failed to allocate|unable to allocate"
    r"|memory layout cannot be allocated|insufficient memory|ALLOC_FAILED|signal: killed",
    re.IGNORECASE,
)
_DIED = re.compile(
    r"runner process (has terminated|no longer running): *(exit status|signal:|CUDA error)", re.IGNORECASE
)
_NOT_LOADED = re.compile(
    r"unable to load model|error loading model|failed to load model|runner process (has terminated|no longer)"
    r"|error starting runner|unsupported model|unknown model architecture|invalid file magic",
    re.IGNORECASE,
)
# In this order: a runner that died of something says what it died of.
_LOADING: tuple[tuple[re.Pattern[str], Callable[[str, str], ProviderError]], ...] = (
    (_NO_MEMORY, OutOfMemory), (_DIED, RunnerDied), (_NOT_LOADED, ModelLoadFailed),
)  # fmt: skip
_REFUSED = re.compile(r"does not support|invalid (json schema|format|option)|grammar|schema", re.IGNORECASE)
_FULL = re.compile(r"server busy|maximum pending requests", re.IGNORECASE)


def failure(
    model: str, status: int, message: str, needed: int, context: int, *, retry_after_s: float | None = None
) -> ProviderError:
    """Of an error before the first line (with its ``status``), or of one that is the first line (with 200)."""
    if _TOO_LONG.search(message):
        return ContextTooLong(model, max(needed, context + 1), context)
    for pattern, kind in _LOADING:
        if pattern.search(message):
            return kind(model, message)
    if status == 429 or (status == 503 and (_FULL.search(message) or retry_after_s is not None)):
        return RateLimited(PROVIDER, retry_after_s, f"{model}: {message}")
    if status != 503 and (_REFUSED.search(message) or 400 <= status < 500):
        return RequestRefused(model, message)
    return ProviderUnavailable(PROVIDER, f"{model}: {message}")


def not_found(model: str, name: str, known: Sequence[str], url: str) -> ModelNotFound:
    """With the one line that gets the model. Ollama's own client asks the default host if it is not told."""
    host = "" if url == DEFAULT_URL else f"OLLAMA_HOST={url} "
    return ModelNotFound(model, tuple(known), f"get it with `{host}ollama pull {shlex.quote(name)}`")


def error_message(line: Document) -> str | None:
    """Of a line or a body that tells of an error."""
    error = line.get("error")
    if error is None:
        return None
    return " ".join(str(error).split())[:500] or "an error without a word"
