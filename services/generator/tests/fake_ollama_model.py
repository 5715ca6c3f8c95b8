"""Models of the stand-in for Ollama: what is told of them, what memory they take, and what they answer."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulated_cards import GIB

NOW = "2026-11-21T09:35:29.279591766Z"


@dataclass
class FakeModel:
    """What ``/api/show`` and the lists tell of a model. ``answer`` is streamed word by word,
    the least document of a schema in its place where one is asked for.

    With a vocabulary of no more than bytes, as the tests' real model has, every byte of a prompt is a token.
    """

    name: str
    answer: str = "a member has many loans and a loan is of one book and so on"
    says: str = ""  # word for word, whatever form is asked for
    context_length: int = 30_000
    vocabulary: int = 261
    capabilities: tuple[str, ...] = ("completion",)
    family: str = "llama"
    system: str = ""
    messages: tuple[dict[str, str], ...] = ()
    parameters: str = ""
    remote_host: str = ""
    digest: str = "0" * 64
    size_bytes: int = 2_733_120
    shape: dict[str, Any] = field(default_factory=dict)

    @property
    def details(self) -> dict[str, Any]:
        return {
            "parent_model": "", "format": "gguf", "family": self.family, "families": [self.family],
            "parameter_size": "1.36M", "quantization_level": "F16",
        }  # fmt: skip

    def memory_bytes(self, context: int) -> int:
        """What the simulated server takes for it, counted on its own: weights, a 16-bit cache, and 0.4 GiB for
        everything else."""
        heads: int = self.shape.get("attention.head_count_kv", 0) * self.shape.get("attention.key_length", 0)
        layers: int = self.shape.get("block_count", 0)
        return self.size_bytes + 2 * 2 * heads * layers * context + GIB * 4 // 10

    def listed(self) -> dict[str, Any]:
        remote = {"remote_model": self.name, "remote_host": self.remote_host} if self.remote_host else {}
        common = {"name": self.name, "model": self.name, "modified_at": NOW, "size": self.size_bytes}
        return {**common, **remote, "digest": self.digest, "details": self.details}

    def shown(self) -> dict[str, Any]:
        optional = {"parameters": self.parameters, "system": self.system, "messages": list(self.messages)}
        return {
            "modelfile": "FROM x", "template": "{{ .Prompt }}", "details": self.details,
            "model_info": {
                "general.architecture": "llama", "llama.context_length": self.context_length,
                "llama.vocab_size": self.vocabulary, **{f"llama.{key}": value for key, value in self.shape.items()},
            },
            "tensors": [], "capabilities": list(self.capabilities), "modified_at": NOW,
            **{key: value for key, value in optional.items() if value},
        }  # fmt: skip


def prompt_tokens(model: FakeModel, body: Mapping[str, Any]) -> int:
    messages = [*model.messages, *body["messages"]]
    if messages and messages[0]["role"] != "system":
        messages.insert(0, {"content": model.system})
    bytes_per_token = 1 if model.vocabulary <= 261 else 3
    return sum(
        len(message["content"].encode(errors="replace")) // bytes_per_token + 5 for message in messages
    )


def answer(
    model: FakeModel, body: Mapping[str, Any], prompt_count: int, *, fits: bool
) -> Iterator[dict[str, Any]]:
    options = body.get("options", {})
    words = [f" {word}" for word in model.answer.split()]
    if (wanted := body.get("format")) is not None:
        if refusal := _refused_format(wanted):
            yield {"error": refusal}
            return
        words = [json.dumps(_instance(wanted))]
    if model.says:
        words = re.findall(r"\S+\s*|\s+", model.says)
    limit = options.get("num_predict", 1000) if fits else 0
    text, sent = "".join(words), 0
    stops = [at for stop in options.get("stop", ()) if (at := text.find(stop)) >= 0]
    text = text[: min(stops)] if stops else text
    last, repeats = "", 0
    for word in words[:limit]:
        repeats = repeats + 1 if word.strip() == last else 0
        last = word.strip()
        if repeats > 30:
            return  # the real one gives up on a model that loops, and says no word about it
        if piece := text[sent : sent + len(word)]:
            yield _line(model, piece)
        sent += len(word)
    yield {
        **_line(model, ""), "done": True, "done_reason": "length" if limit < len(words) and not stops else "stop",
        "total_duration": 58_065_602, "load_duration": 1_522_671,
        "prompt_eval_count": prompt_count, "prompt_eval_duration": 41_732_582,
        "eval_count": min(limit, len(words)), "eval_duration": 11_946_264,
    }  # fmt: skip


def _line(model: FakeModel, text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {"model": model.name.removesuffix(":latest"), "created_at": NOW, "message": message, "done": False}


def _refused_format(wanted: object) -> str | None:
    if not isinstance(wanted, dict):
        return f'invalid format: {json.dumps(wanted)}; expected "json" or a valid JSON Schema object'
    known = {"object", "array", "string", "integer", "number", "boolean", "null"}
    return None if wanted.get("type", "object") in known else "invalid JSON schema in format"


def _instance(schema: Mapping[str, Any]) -> object:
    """The least document of the schema."""
    match schema.get("type"):
        case "object":
            return {key: _instance(schema["properties"][key]) for key in schema.get("required", ())}
        case "array":
            return []
        case "string":
            return schema.get("enum", [""])[0]
        case "integer" | "number":
            return 0
        case "boolean":
            return True
    return None
