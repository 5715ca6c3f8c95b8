"""A stand-in for an Ollama server that makes models, held to recordings of real ones (``ollama_recordings.json``).

It tokenizes and answers as the starter does, and has its troubles on demand.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from tokenizers import Tokenizer

from hone_hub.errors import HubError
from hone_hub.gguf import read_file
from hone_hub.gguf.header import Header

NOW = "2026-11-21T09:35:29.279591766Z"
JSON = "application/json; charset=utf-8"
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")
_ANSWERS = {
    "\neach member has many loans .": '[{"r":["member","1:N","loans"]}]',
    "\na book has a title , an isbn and a price .": '[{"a":"book","l":{"title":"string"}}]',
}


@dataclass
class FakeModel:
    """``digest`` names its file."""

    digest: str
    template: str
    system: str = ""
    messages: tuple[dict[str, str], ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)
    parent: str = ""
    modified_at: str = NOW

    def rendered(self, messages: list[dict[str, str]]) -> str:
        """As the tests' templates do: all turns with ChatML's marks, or the last one, or its text alone."""
        if "{{" not in self.template:
            return self.template
        if ".Messages" not in self.template:
            return messages[-1]["content"]
        if "slice" in self.template:
            messages = messages[-1:]
        gap = "\n" if ".Role }}\n" in self.template else " "
        turns = "".join(f"<|im_start|>{each['role']}{gap}{each['content']}<|im_end|>\n" for each in messages)
        return f"{turns}<|im_start|>assistant\n"


@dataclass
class FakeOllama:
    """``trouble`` is what goes wrong, ``troubled`` how often; ``created`` holds the bodies of creations."""

    folder: Path
    tokenizer: Tokenizer
    version: str = "0.0.0"
    newer: bool = False
    trouble: str = ""
    troubled: int = 1_000_000
    url: str = ""
    models: dict[str, FakeModel] = field(default_factory=dict)
    library: dict[str, FakeModel] = field(default_factory=dict)
    created: list[dict[str, Any]] = field(default_factory=list)
    headers: dict[str, Header] = field(default_factory=dict)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/api/version", self._version),
                Route("/api/tags", self._tags),
                Route("/api/copy", self._copy, methods=["POST"]),
                Route("/api/pull", self._pull, methods=["POST"]),
                Route("/api/show", self._show, methods=["POST"]),
                Route("/api/delete", self._delete, methods=["DELETE"]),
                Route("/api/blobs/{digest}", self._blob, methods=["HEAD", "POST"]),
                Route("/api/create", self._create, methods=["POST"]),
                Route("/api/chat", self._chat, methods=["POST"]),
                Route("/api/generate", self._generate, methods=["POST"]),
            ]
        )

    def has(self, trouble: str) -> bool:
        """Counts it as met."""
        if self.trouble != trouble or self.troubled == 0:
            return False
        self.troubled -= 1
        return True

    async def _version(self, request: Request) -> Response:
        if self.has("no_ollama"):
            return Response("<html>Please sign in</html>", media_type="text/html")
        return _json({"version": self.version})

    async def _show(self, request: Request) -> Response:
        body = await request.json()
        model = self.models.get(_full(body["model"]))
        return _json(self._shown(_full(body["model"]), model)) if model else _not_found(body["model"])

    async def _tags(self, request: Request) -> Response:
        models = [self._listed(name, model) for name, model in self.models.items()]
        return _json({"models": models})

    async def _copy(self, request: Request) -> Response:
        body = await request.json()
        model = self.models.get(_full(body["source"]))
        if model is None:
            return _not_found(body["source"])
        self.models[_full(body["destination"])] = model
        return Response(None, 200)

    async def _pull(self, request: Request) -> Response:
        """What ``library`` has; nothing else can be reached."""
        name = _full((await request.json())["model"])
        digest = "sha256:" + "b" * 64
        lines: list[dict[str, Any]] = [{"status": "pulling manifest"}]
        if self.has("no_network"):
            reason = "dial tcp: lookup registry.ollama.ai: no such host"
            lines.append({"error": f'pull model manifest: Get "https://registry.ollama.ai/v2/": {reason}'})
        elif name not in self.library:
            lines.append({"error": "pull model manifest: file does not exist"})
        else:
            for done in (0, 500, 1000):
                layer = {"digest": digest, "total": 1000} | ({"completed": done} if done else {})
                lines.append({"status": "pulling bbbbbbbbbbbb", **layer})
            self.models[name] = self.library[name]
            lines += [{"status": "writing manifest"}, {"status": "success"}]
        return StreamingResponse(self._streamed(lines, cut=False), media_type="application/x-ndjson")

    async def _delete(self, request: Request) -> Response:
        body = await request.json()
        if self.has("cannot_delete"):
            return _error(500, "unlinkat /models/manifests: permission denied")
        if self.models.pop(_full(body["model"]), None) is None:
            return _not_found(body["model"])
        return Response(None, 200)

    async def _blob(self, request: Request) -> Response:
        digest = request.path_params["digest"]
        path = self._path(digest)
        if request.method == "HEAD":
            return Response(None, 200) if path.exists() else Response(None, 404, media_type=JSON)
        content = await request.body()
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            return _error(400, "invalid digest format")
        if path.exists():
            return Response(None, 200)
        if self.has("disk_full"):
            return _error(500, f"write {path}: no space left on device")
        found = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if found != digest or self.has("digest_mismatch"):
            return _error(400, f'digest mismatch, expected "{digest}", got "{found}"')
        path.write_bytes(content)
        return Response(None, 201)

    async def _create(self, request: Request) -> Response:
        body = await request.json()
        name, _, tag = body["model"].partition(":")
        if not (_PART.fullmatch(name) and _PART.fullmatch(tag or "latest")):
            return _error(400, "invalid model name")
        lines = list(self._creation(body))
        if self.newer and "error" in lines[0]:
            return JSONResponse({"error": lines[0]["error"]}, 400)
        if self.newer and "error" in lines[-1]:
            lines[-1].pop("status", None)
        if body.get("stream") is False:
            return JSONResponse(lines[-1])
        cut = self.has("cut_create")
        if cut:
            del self.models[_full(body["model"])]
        return StreamingResponse(self._streamed(lines, cut), media_type="application/x-ndjson")

    async def _streamed(self, lines: list[dict[str, Any]], cut: bool) -> AsyncIterator[bytes]:
        for number, line in enumerate(lines):
            if number == 1 and cut:
                raise ConnectionResetError
            if number == 1 and self.has("stalls"):
                await asyncio.sleep(60)
            yield json.dumps(line).encode() + b"\n"

    def _creation(self, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The lines; the model is there after the last one."""
        self.created.append(body)
        model = self._begun(body)
        if isinstance(model, dict):
            yield from ([{"status": "parsing GGUF"}] if "files" in body else [])
            yield model
            return
        if "{{ if }}" in body.get("template", ""):
            yield {"error": "template error: template: :1: missing value for if", "status": 400}
            return
        yield {"status": "parsing GGUF"} if "files" in body else {"status": _existing(model.digest)}
        yield {"status": _existing(model.digest)}
        model = replace(model, template=body.get("template", model.template))
        if self.has("error_among_lines"):  # and it goes on, as 0.11.4 does
            yield {"error": f"open {self.folder}: no space left on device"}
        if self.has("unknown_architecture"):
            yield {"error": 'unsupported architecture "FooForCausalLM"'}
            return
        messages = () if self.has("loses_examples") else tuple(body.get("messages") or model.messages)
        model = replace(
            model,
            system=body.get("system", model.system),
            messages=messages,
            parameters={**model.parameters, **body.get("parameters", {})},
            modified_at=f"2026-11-21T09:35:29.{len(self.created):09}Z",
        )
        for _ in {"template", "system", "parameters", "messages"} & body.keys():
            yield {"status": f"creating new layer sha256:{'0' * 64}"}
        yield {"status": "writing manifest"}
        self.models[_full(body["model"])] = model
        yield {"status": "success"}

    def _begun(self, body: dict[str, Any]) -> FakeModel | dict[str, Any]:
        """What it is made from, or the error."""
        if "from" in body:
            base = self.models.get(_full(body["from"]))
            if base is None:
                return {"error": "pull model manifest: file does not exist"}
            return replace(base, parent=_full(body["from"]))
        if "files" not in body:
            return {"error": "neither 'from' or 'files' was specified", "status": 400}
        (digest,) = body["files"].values()
        path = self._path(digest)
        if not path.exists():
            return {"error": f"open {path}: no such file or directory"}
        try:
            self._header(digest)
        except HubError:
            return {"error": "supplied file was not in GGUF format", "status": 400}
        return FakeModel(digest, template="{{ .Prompt }}")

    async def _chat(self, request: Request) -> Response:
        body = await request.json()
        if refusal := self._refusal(body):
            return refusal
        model = self.models[_full(body["model"])]
        messages = [*model.messages, *body["messages"]]
        if messages[0]["role"] != "system" and model.system:
            messages.insert(0, {"role": "system", "content": model.system})
        ids = self._fitting(model, messages, body)
        text, counts = self._answer(messages[-1]["content"], ids, body)
        return _json({**_said(body), "message": {"role": "assistant", "content": text}, **counts})

    async def _generate(self, request: Request) -> Response:
        body = await request.json()
        if refusal := self._refusal(body):
            return refusal
        model = self.models[_full(body["model"])]
        if "template" in body:
            model = replace(model, template=body["template"])
        if "prompt" not in body:
            return _json({**_said(body), "response": "", "done_reason": "unload", "done": True})
        system = body.get("system", model.system)
        own = [{"role": "system", "content": system}] if system else []
        ids = self._ids(model, [*own, *model.messages, {"role": "user", "content": body["prompt"]}])
        text, counts = self._answer(body["prompt"], ids, body)
        return _json({**_said(body), "response": text, "context": [*ids, *self._encode(text)], **counts})

    def _refusal(self, body: dict[str, Any]) -> Response | None:
        if _full(body["model"]) not in self.models:
            return _not_found(body["model"])
        if body.get("keep_alive") == 0:
            return None
        if self.has("busy"):
            return _error(503, "server busy, please try again.  maximum pending requests exceeded")
        if self.has("out_of_memory"):
            return _error(500, "model requires more system memory (56.7 GiB) than is available (3.2 GiB)")
        if self.has("broken"):
            return _error(500, "llama runner process has terminated: error loading model: bad tensor")
        return None

    def _answer(self, question: str, ids: list[int], body: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        text, limit = _ANSWERS.get(question, "[]"), body.get("options", {}).get("num_predict", 1000)
        if self.has("rambles"):
            text = "and so on " * 2000
        encoded = self._encode(text)
        cut = len(encoded) > limit
        counts = {
            "done_reason": "length" if cut else "stop",
            "done": True,
            "total_duration": 58_065_602, "load_duration": 1_522_671,
            "prompt_eval_count": len(ids), "prompt_eval_duration": 41_732_582,
            "eval_count": min(len(encoded), limit), "eval_duration": 11_946_264,
        }  # fmt: skip
        return text[:100] if cut else text, counts

    def _fitting(self, model: FakeModel, messages: list[dict[str, str]], body: dict[str, Any]) -> list[int]:
        """The oldest turns are left out, without a word, until the rest fits."""
        room = min(body.get("options", {}).get("num_ctx", 4096), self._context(model))
        while len(ids := self._ids(model, messages)) > room and len(messages) > 1:
            del messages[1 if messages[0]["role"] == "system" else 0]
        return ids

    def _ids(self, model: FakeModel, messages: list[dict[str, str]]) -> list[int]:
        return self._encode(model.rendered(messages))

    def _encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def _context(self, model: FakeModel) -> int:
        return self._header(model.digest).integer("llama.context_length") or 4096

    def _header(self, digest: str) -> Header:
        if digest not in self.headers:
            self.headers[digest] = read_file(self._path(digest))
        return self.headers[digest]

    def _path(self, digest: str) -> Path:
        return self.folder / digest.replace(":", "-")

    def _listed(self, name: str, model: FakeModel) -> dict[str, Any]:
        parts = [model.digest, model.template, model.system, model.messages, model.parameters]
        return {
            "name": name, "model": name, "modified_at": model.modified_at,
            "size": self._path(model.digest).stat().st_size,
            "digest": hashlib.sha256(json.dumps(parts).encode()).hexdigest(),
            "details": {
                "parent_model": model.parent, "format": "gguf", "family": "llama", "families": ["llama"],
                "parameter_size": "3.24M", "quantization_level": "Q8_0",
            },
        }  # fmt: skip

    def _shown(self, name: str, model: FakeModel) -> dict[str, Any]:
        header = self._header(model.digest)
        info = {
            "general.architecture": "llama", "llama.context_length": self._context(model),
            "llama.vocab_size": len(header.texts("tokenizer.ggml.tokens") or []),
        }  # fmt: skip
        version = header.text("general.version")
        optional = {
            "parameters": "\n".join(_parameter_lines(model.parameters)),
            "system": model.system,
            "messages": list(model.messages),
        }
        return {
            "modelfile": f"FROM {self._path(model.digest)}", "template": model.template,
            "details": {
                "parent_model": model.parent, "format": "gguf", "family": "llama", "families": ["llama"],
                "parameter_size": "3.24M", "quantization_level": "Q8_0",
            },
            "model_info": info | ({"general.version": version} if version else {}),
            "tensors": [], "capabilities": ["completion"], "modified_at": model.modified_at,
            **{key: value for key, value in optional.items() if value},
        }  # fmt: skip


def _full(name: str) -> str:
    return name if ":" in name else f"{name}:latest"


def _existing(digest: str) -> str:
    return f"using existing layer {digest}"


def _parameter_lines(parameters: dict[str, Any]) -> Iterator[str]:
    for key, value in sorted(parameters.items()):
        for each in value if isinstance(value, list) else [value]:
            yield f"{key:30} {json.dumps(each)}"


def _said(body: dict[str, Any]) -> dict[str, Any]:
    return {"model": body["model"], "created_at": NOW}


def _json(body: object, status: int = 200) -> Response:
    return Response(json.dumps(body), status, media_type=JSON)


def _error(status: int, message: str) -> Response:
    return _json({"error": message}, status)


def _not_found(name: str) -> Response:
    return _error(404, f"model '{name}' not found")


@contextmanager
def serving(fake: FakeOllama) -> Iterator[FakeOllama]:
    """On a port of loopback, in a thread of its own."""
    listener = socket.create_server(("127.0.0.1", 0))
    fake.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(fake.app(), log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.001)
    yield fake
    server.should_exit = server.force_exit = True
    thread.join(timeout=60)
    assert not thread.is_alive()
