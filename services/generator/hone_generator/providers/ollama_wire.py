"""Ollama's native chat protocol, without I/O: what is sent, and what the answers mean.

Source: https://github.com/ollama/ollama/blob/main/docs/api.md, and recordings of real servers (0.11.4, 0.24.0), to
which the tests' stand-in is held.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from hone_generator.providers.base import (
    ChatMessage,
    Chunk,
    FinishReason,
    GenerationRequest,
    JsonSchema,
    Usage,
)
from hone_generator.providers.errors import BadProviderAnswer
from hone_generator.providers.ollama_hosts import PROVIDER
from hone_generator.providers.ollama_show import ModelProfile
from hone_generator.providers.wire_fields import Document, Fields

_FIELDS = Fields(PROVIDER)

# Ollama's own default on small machines. Another context reloads the model, so they come in few sizes.
_LEAST_CONTEXT_TOKENS = 4096
# Where memory is short, sizes are closer together.
_CONTEXT_STEP = 256
# And an answer may have to do with a part of the room that it was promised, but not with less than this.
_LEAST_ANSWER_TOKENS = 512
_TEMPLATE_TOKENS_PER_MESSAGE = 16


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model as a server lists it: ``size_bytes`` of its files, or of its memory where it is loaded,
    ``vram_bytes`` of that on a card, with ``context_tokens`` for each request.

    ``remote_host``: a model that only looks local, and is answered by a computer elsewhere.
    """

    name: str
    digest: str = ""
    size_bytes: int | None = None
    vram_bytes: int | None = None
    context_tokens: int | None = None
    remote_host: str = ""


def full_name(name: str) -> str:
    """The name with what Ollama adds to it and takes from it, so that equal models have equal names."""
    short = name.casefold().removeprefix("registry.ollama.ai/").removeprefix("library/")
    return short if ":" in short.rpartition("/")[2] else f"{short}:latest"


def entries(listing: Document) -> list[ModelEntry]:
    """Of ``/api/tags`` and ``/api/ps``. Raises BadProviderAnswer."""
    models = _FIELDS.items(listing, "models")
    if not all(isinstance(model, dict) for model in models):
        raise BadProviderAnswer(PROVIDER, "its list of models is none")
    return [
        ModelEntry(
            name=name,
            digest=_FIELDS.text(model, "digest"),
            size_bytes=_FIELDS.count(model, "size"),
            vram_bytes=_FIELDS.count(model, "size_vram"),
            context_tokens=_FIELDS.count(model, "context_length") or None,
            remote_host=_FIELDS.text(model, "remote_host"),
        )
        for model in models
        if (name := _FIELDS.text(model, "model") or _FIELDS.text(model, "name"))
    ]


def prompt_tokens(messages: Sequence[ChatMessage], profile: ModelProfile) -> int:
    """Estimated, rather too many than too few."""
    size_bytes = profile.preamble_bytes + sum(
        len(message.content.encode(errors="replace")) for message in messages
    )
    return size_bytes // profile.bytes_per_token + _TEMPLATE_TOKENS_PER_MESSAGE * (len(messages) + 2)


def contexts(prompt: int, answer: int, profile: ModelProfile, ceiling: int) -> tuple[int, ...]:
    """The contexts to ask for, in tokens, the best first: one of few sizes, so that the next request finds
    the model loaded large enough; what is needed; and what would do for an answer that is no longer than most."""
    most = min(profile.context_tokens or ceiling, ceiling)
    needed = prompt + answer
    least = prompt + min(answer, max(_LEAST_ANSWER_TOKENS, answer // 4))
    sizes = (max(_LEAST_CONTEXT_TOKENS, 1 << (needed - 1).bit_length()), _stepped(needed), _stepped(least))
    return tuple(sorted({min(size, most) for size in sizes}, reverse=True))


def _stepped(tokens: int) -> int:
    return -(-tokens // _CONTEXT_STEP) * _CONTEXT_STEP


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


def embed_body(name: str, texts: Sequence[str], context: int, keep_alive_s: int) -> Document:
    """The request to ``/api/embed``. A text that is too long is an error, and is not cut."""
    return {
        "model": name,
        "input": list(texts),
        "truncate": False,
        "options": {"num_ctx": context},
        "keep_alive": keep_alive_s,
    }


def embeddings(answer: Document, wanted: int) -> list[list[float]]:
    """One vector a text, all as long as the others. Raises BadProviderAnswer."""
    vectors = _FIELDS.items(answer, "embeddings")
    if len(vectors) != wanted:
        raise BadProviderAnswer(PROVIDER, f"it gives {len(vectors)} vectors for {wanted} texts")
    found = []
    for vector in vectors:
        if not (isinstance(vector, list) and vector and all(map(_is_value, vector))):
            raise BadProviderAnswer(PROVIDER, f"this is no vector: {str(vector)[:80]}")
        found.append([float(value) for value in vector])
    if len({len(vector) for vector in found}) > 1:
        raise BadProviderAnswer(PROVIDER, "its vectors are of different lengths")
    return found


def _is_value(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def chunk(line: Document) -> Chunk:
    """Of one line of an answer that is not an error. Raises BadProviderAnswer."""
    content = _FIELDS.text(_FIELDS.mapping(line, "message"), "content")
    if line.get("done") is not True:
        return Chunk(content)
    reason = _FIELDS.text(line, "done_reason") or "stop"  # older servers do not say
    try:
        return Chunk(content, FinishReason(reason), _usage(line))
    except ValueError as error:
        raise BadProviderAnswer(PROVIDER, f"it ended for the reason {reason[:80]!r}") from error


def _usage(line: Document) -> Usage | None:
    prompt, completion = _FIELDS.count(line, "prompt_eval_count"), _FIELDS.count(line, "eval_count")
    if prompt is None and completion is None:
        return None
    return Usage(prompt_tokens=prompt or 0, completion_tokens=completion or 0)
