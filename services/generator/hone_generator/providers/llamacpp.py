"""llama.cpp on this machine: a process for each loaded model, so that a file that crashes it fails one answer."""

import importlib.util
import os
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from hone_contracts.models import ModelRef
from hone_generator.providers.base import Capabilities, Chunk, GenerationRequest, Health, ModelInfo
from hone_generator.providers.errors import ModelLoadFailed, ModelNotFound
from hone_generator.providers.gguf_header import NotAModelFile, check_header, context_length
from hone_generator.providers.llamacpp_model import PROVIDER, HostedModel, HostLimits
from hone_generator.providers.llamacpp_slots import Slots


def _available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class ModelFile:
    """Where a model lies: a ``file://`` URI. ``context_tokens`` overrides the provider's setting."""

    uri: str
    context_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class LlamaCppSettings:
    """``folders`` are where model files may lie; nothing outside them is loaded, links followed.

    ``most_loaded`` models are held at once. A model below ``one_thread_below_bytes`` runs on one thread: a token
    takes it a millisecond, and threads that wait for each other that often cost a second where other work has the
    cores (3 million parameters on two busy cores, 16 tokens: p95 57 ms with one thread, 450 to 1,600 ms with two).
    """

    folders: tuple[Path, ...]
    threads: int = field(default_factory=lambda: min(4, _available_cores()))
    one_thread_below_bytes: int = 50_000_000
    context_tokens: int = 4096
    idle_unload_s: float = 600.0
    most_loaded: int = 4
    load_limit_s: float = 120.0
    embed_limit_s: float = 60.0
    cancel_grace_s: float = 2.0
    reuse_prompts_from_chars: int = 2_000


@dataclass(frozen=True, slots=True)
class _Key:
    """A file that was written anew under its old name is another model."""

    path: Path
    size_bytes: int
    modified_ns: int
    context_tokens: int
    embeds: bool = False


class LlamaCppProvider:
    """``files`` maps the names of models to their files; the service may change it at any time."""

    name = PROVIDER
    local = True
    capabilities = Capabilities(grammar=True, json_schema=True, embeddings=True)

    def __init__(self, files: Mapping[str, ModelFile], settings: LlamaCppSettings) -> None:
        self._files = files
        self._settings = settings
        self._hosted: dict[_Key, HostedModel] = {}
        self._slots = Slots(settings.most_loaded)

    async def generate(self, model: ModelRef, request: GenerationRequest) -> AsyncGenerator[Chunk, None]:
        hosted = self._model(model)
        async with (
            self._slots.held(hosted, self._hosted.values()),
            aclosing(hosted.generate(request)) as chunks,
        ):
            async for chunk in chunks:
                yield chunk

    async def embed(self, model: ModelRef, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """By models whose file says how the values of their tokens become one (``pooling_type``), as those
        made for it do; in a process beside that of the model's answers. Raises RequestRefused for others, and
        for an empty text."""
        hosted = self._model(model, embeds=True)
        async with self._slots.held(hosted, self._hosted.values()):
            return [await hosted.embed(text, self._settings.embed_limit_s) for text in texts]

    async def models(self) -> Sequence[ModelInfo]:
        """Those whose files are there."""
        found = []
        for name, file in sorted(self._files.items()):
            ref = ModelRef(PROVIDER, name)
            try:
                key = self._key(ref, file)
            except ModelLoadFailed:
                continue
            read = min(key.context_tokens, context_length(key.path) or key.context_tokens)
            found.append(ModelInfo(ref, self._pid(key) is not None, key.size_bytes, read))
        return found

    async def health(self) -> Health:
        if importlib.util.find_spec("xllamacpp") is None:
            return Health(False, "xllamacpp is missing: install it with `pip install xllamacpp`")
        loaded = sum(model.pid is not None for model in self._hosted.values())
        return Health(True, f"{len(self._files)} models, {loaded} loaded")

    def pid(self, model: ModelRef) -> int | None:
        """The process that holds the model, while it is loaded."""
        return self._pid(self._key(model, self._file(model)))

    async def unload(self, model: ModelRef) -> None:
        """Give the model's memory back to the system, after the answers that are asked for."""
        key = self._key(model, self._file(model))
        for each in (key, replace(key, embeds=True)):
            if (hosted := self._hosted.get(each)) is not None:
                await hosted.unload()

    async def aclose(self) -> None:
        for hosted in self._hosted.values():
            await hosted.unload()
        self._hosted.clear()

    def _pid(self, key: _Key) -> int | None:
        hosted = self._hosted.get(key)
        return hosted.pid if hosted is not None else None

    def _model(self, model: ModelRef, *, embeds: bool = False) -> HostedModel:
        key = replace(self._key(model, self._file(model)), embeds=embeds)
        if key not in self._hosted:
            self._hosted[key] = HostedModel(str(model), key.path, self._limits(key))
        return self._hosted[key]

    def _file(self, model: ModelRef) -> ModelFile:
        file = self._files.get(model.name) if model.provider == PROVIDER else None
        if file is None:
            raise ModelNotFound(str(model), tuple(sorted(self._files)))
        return file

    def _key(self, model: ModelRef, file: ModelFile) -> _Key:
        path = self._allowed_path(model, file.uri)
        try:
            size_bytes = check_header(path)
            modified_ns = path.stat().st_mtime_ns
        except (NotAModelFile, OSError) as error:
            raise ModelLoadFailed(str(model), str(error)) from error
        return _Key(path, size_bytes, modified_ns, file.context_tokens or self._settings.context_tokens)

    def _allowed_path(self, model: ModelRef, uri: str) -> Path:
        parts = urlsplit(uri)
        if parts.scheme != "file" or parts.netloc not in {"", "localhost"}:
            raise ModelLoadFailed(str(model), f"{uri} is not a file of this machine")
        path = Path(unquote(parts.path)).resolve()
        if not any(path.is_relative_to(folder.resolve()) for folder in self._settings.folders):
            folders = ", ".join(str(folder) for folder in self._settings.folders)
            raise ModelLoadFailed(str(model), f"{path} lies outside the folders of models ({folders})")
        return path

    def _limits(self, key: _Key) -> HostLimits:
        settings = self._settings
        return HostLimits(
            threads=settings.threads if key.size_bytes >= settings.one_thread_below_bytes else 1,
            context_tokens=key.context_tokens,
            load_limit_s=settings.load_limit_s,
            cancel_grace_s=settings.cancel_grace_s,
            idle_unload_s=settings.idle_unload_s,
            reuse_prompts_from_chars=settings.reuse_prompts_from_chars,
            embeds=key.embeds,
        )
