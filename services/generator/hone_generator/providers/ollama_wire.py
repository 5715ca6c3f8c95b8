"""Ollama's native chat protocol, without I/O: what is sent, and what the answers mean.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md, and recordings of real servers (0.11.4, 0.24.0), to
which the tests' stand-in is held.
"""

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hone_generator.providers.base import (
    ChatMessage,
    Chunk,
    FinishReason,
    GenerationRequest,
    JsonSchema,
    Usage,
)
from hone_generator.providers.errors import (
    BadProviderAnswer,
    ContextTooLong,
    ModelLoadFailed,
    ModelNotFound,
    ProviderError,
    ProviderUnavailable,
    RequestRefused,
)

PROVIDER = "ollama"
DEFAULT_URL = "http://127.0.0.1:11434"
Document = dict[str, Any]

# Ollama's own default on small machines. Another context reloads the model, so they come in few sizes.
_LEAST_CONTEXT_TOKENS = 4096
# No common tokenizer needs more tokens for prose, code or JSON; one with a small vocabulary may need a token for each
# byte. To guess too low is dear: older servers cut a prompt that does not fit without a word.
_BYTES_PER_TOKEN = 2
_SMALL_VOCABULARY = 16_000
_TEMPLATE_TOKENS_PER_MESSAGE = 16

_TOO_LONG = re.compile(r"exceed\w* .*context|context .*exceed|prompt (is )?too long", re.IGNORECASE)
_NOT_LOADED = re.compile(
    r"unable to load model|error loading model|failed to load model|runner process (has terminated|no longer)"
    r"|error starting runner|unsupported model|unknown model architecture|invalid file magic",
    re.IGNORECASE,
)
_REFUSED = re.compile(r"does not support|invalid (json schema|format|option)|grammar|schema", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model as a server lists it. ``context_tokens``: what it was loaded with, where it is.

    ``remote_host``: a model that only looks local, and is answered by a computer elsewhere.
    """

    name: str
    digest: str = ""
    size_bytes: int | None = None
    context_tokens: int | None = None
    remote_host: str = ""


@dataclass(frozen=True, slots=True)
class ModelProfile:
    """What a request must know of a model. ``preamble_bytes``: of the messages that every prompt starts with."""

    context_tokens: int | None = None
    bytes_per_token: int = _BYTES_PER_TOKEN
    think: bool | str | None = None
    stop: tuple[str, ...] = ()
    preamble_bytes: int = 0


def full_name(name: str) -> str:
    """The name with what Ollama adds to it and takes from it, so that equal models have equal names."""
    short = name.casefold().removeprefix("registry.ollama.ai/").removeprefix("library/")
    return short if ":" in short.rpartition("/")[2] else f"{short}:latest"


def document(text: bytes) -> Document:
    """A JSON object. Raises BadProviderAnswer."""
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadProviderAnswer(PROVIDER, f"this is not JSON: {_shown(text)}") from error
    if not isinstance(parsed, dict):
        raise BadProviderAnswer(PROVIDER, f"this is not a JSON object: {_shown(text)}")
    return parsed


def entries(listing: Document) -> list[ModelEntry]:
    """Of ``/api/tags`` and ``/api/ps``. Raises BadProviderAnswer."""
    models = _list(listing, "models")
    if not all(isinstance(model, dict) for model in models):
        raise BadProviderAnswer(PROVIDER, "its list of models is none")
    return [
        ModelEntry(
            name=name,
            digest=_text(model, "digest"),
            size_bytes=_count(model, "size"),
            context_tokens=_count(model, "context_length") or None,
            remote_host=_text(model, "remote_host"),
        )
        for model in models
        if (name := _text(model, "model") or _text(model, "name"))
    ]


def profile(shown: Document) -> ModelProfile:
    """Of ``/api/show``. Raises BadProviderAnswer."""
    info, details = _mapping(shown, "model_info"), _mapping(shown, "details")
    architecture = _text(info, "general.architecture")
    vocabulary = _count(info, f"{architecture}.vocab_size") or 0
    preamble = sum(
        len(_text(message, "content").encode(errors="replace"))
        for message in _list(shown, "messages")
        if isinstance(message, dict)
    )
    think: bool | str | None = None
    if "thinking" in _list(shown, "capabilities"):
        # These cannot be stopped from thinking, and take a level instead.
        think = "low" if _text(details, "family") in {"gptoss", "gpt-oss"} else False
    return ModelProfile(
        context_tokens=_count(info, f"{architecture}.context_length") or None,
        bytes_per_token=1 if 0 < vocabulary < _SMALL_VOCABULARY else _BYTES_PER_TOKEN,
        think=think,
        stop=tuple(_stops(_text(shown, "parameters"))),
        preamble_bytes=preamble + len(_text(shown, "system").encode(errors="replace")),
    )


def _stops(parameters: str) -> Iterable[str]:
    """The values of lines like ``stop    "<|im_end|>"``, which are Go's literals and mostly JSON's."""
    for line in parameters.splitlines():
        key, _, value = line.partition(" ")
        if key == "stop":
            try:
                stop = json.loads(value)
            except ValueError:
                continue
            if isinstance(stop, str):
                yield stop


def prompt_tokens(messages: Sequence[ChatMessage], profile: ModelProfile) -> int:
    """Estimated, rather too many than too few."""
    size_bytes = profile.preamble_bytes + sum(
        len(message.content.encode(errors="replace")) for message in messages
    )
    return size_bytes // profile.bytes_per_token + _TEMPLATE_TOKENS_PER_MESSAGE * (len(messages) + 2)


def context_tokens(needed: int, profile: ModelProfile, loaded: int | None, ceiling: int) -> int:
    """The context to ask for: what the model is loaded with if that will do, as another one would reload it."""
    trained = profile.context_tokens or ceiling
    if loaded is not None and needed <= min(loaded, trained):
        return loaded
    step = max(_LEAST_CONTEXT_TOKENS, 1 << (needed - 1).bit_length())
    return min(step, trained, ceiling)


def chat_body(
    name: str, request: GenerationRequest, profile: ModelProfile, context: int, keep_alive_s: int
) -> Document:
    """The request to ``/api/chat``. Servers ignore fields that they do not know yet."""
    options: Document = {
        "temperature": request.temperature,
        "seed": request.seed,
        "num_predict": request.max_tokens,
        "num_ctx": context,
        # Ollama's 1.1 makes a model shy of words that the text repeats, which is most of them.
        "repeat_penalty": 1.0,
    }
    if request.stop:
        # These take the place of the model's own.
        options["stop"] = list(dict.fromkeys((*profile.stop, *request.stop)))
    body: Document = {
        "model": name,
        "messages": [{"role": message.role, "content": message.content} for message in request.messages],
        "stream": True,
        "options": options,
        "keep_alive": keep_alive_s,
        "truncate": False,
        "shift": False,
    }
    if isinstance(request.constraint, JsonSchema):
        body["format"] = dict(request.constraint.schema)
    if profile.think is not None:
        body["think"] = profile.think
    return body


def chunk(line: Document) -> Chunk:
    """Of one line of an answer that is not an error. Raises BadProviderAnswer."""
    text = _text(_mapping(line, "message"), "content")
    if line.get("done") is not True:
        return Chunk(text)
    reason = _text(line, "done_reason") or "stop"  # older servers do not say
    try:
        return Chunk(text, FinishReason(reason), _usage(line))
    except ValueError as error:
        raise BadProviderAnswer(PROVIDER, f"it ended for the reason {reason[:80]!r}") from error


def _usage(line: Document) -> Usage | None:
    prompt, completion = _count(line, "prompt_eval_count"), _count(line, "eval_count")
    if prompt is None and completion is None:
        return None
    prompt_ns, completion_ns = _count(line, "prompt_eval_duration"), _count(line, "eval_duration")
    return Usage(
        prompt_tokens=prompt or 0,
        completion_tokens=completion or 0,
        prompt_ms=None if prompt_ns is None else prompt_ns / 1e6,
        completion_ms=None if completion_ns is None else completion_ns / 1e6,
    )


def failure(model: str, status: int, message: str, needed: int, context: int) -> ProviderError:
    """What an error means, before the first line (with its ``status``) or after it (with 200)."""
    if _TOO_LONG.search(message):
        return ContextTooLong(model, max(needed, context + 1), context)
    if _NOT_LOADED.search(message):
        return ModelLoadFailed(model, message)
    if status not in {429, 503} and (_REFUSED.search(message) or 400 <= status < 500):
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


def _text(mapping: Mapping[str, Any], key: str) -> str:
    value = mapping.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadProviderAnswer(PROVIDER, f"{key!r} is not text: {str(value)[:80]}")
    return value


def _count(mapping: Mapping[str, Any], key: str) -> int | None:
    value = mapping.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BadProviderAnswer(PROVIDER, f"{key!r} is not a count: {str(value)[:80]}")
    return value


def _mapping(mapping: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = mapping.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadProviderAnswer(PROVIDER, f"{key!r} is not an object: {str(value)[:80]}")
    return value


def _list(mapping: Mapping[str, Any], key: str) -> list[Any]:
    value = mapping.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise BadProviderAnswer(PROVIDER, f"{key!r} is not a list: {str(value)[:80]}")
    return value


def _shown(text: bytes) -> str:
    return repr(text[:80].decode(errors="replace"))
