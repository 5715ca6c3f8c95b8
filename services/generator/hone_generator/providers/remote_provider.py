"""A provider that is asked over HTTP and answers with server-sent events, whatever protocol it speaks."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Any, Protocol

from pydantic import SecretStr

from hone_contracts.models import InvalidModelRef, ModelRef
from hone_generator.providers.base import (
    Capabilities,
    Chunk,
    Gbnf,
    GenerationRequest,
    Health,
    JsonSchema,
    ModelInfo,
)
from hone_generator.providers.errors import (
    BadProviderAnswer,
    ModelNotFound,
    NotAuthorised,
    ProviderError,
    RequestRefused,
)
from hone_generator.providers.failures import Addressee, AnswerTooRoomy, Refusal
from hone_generator.providers.habits import Habits, KnownHabits
from hone_generator.providers.remote_answers import Reader, RemoteCall
from hone_generator.providers.remote_http import RemoteHttp
from hone_generator.providers.schema_dialects import is_too_deep
from hone_generator.providers.wire_fields import Document

# Each may teach one more thing that a model does not take.
_MOST_TRIES = 8


class Wire(Protocol):
    """A protocol, without I/O. ``optional``, ``forms``, ``held`` and ``alike`` are those of ``KnownHabits``,
    ``key_header`` and ``headers`` those of ``RemoteHttp``. ``listing`` is the path of the list of models."""

    @property
    def provider(self) -> str: ...
    @property
    def optional(self) -> Mapping[str, str]: ...
    @property
    def forms(self) -> int: ...
    @property
    def held(self) -> int: ...
    @property
    def alike(self) -> bool: ...
    @property
    def key_header(self) -> tuple[str, str]: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def listing(self) -> str: ...

    def chat(self, name: str, request: GenerationRequest, habits: Habits) -> tuple[str, Document]: ...

    def parameters(self, body: Document) -> Mapping[str, Any]: ...

    def reader(self, model: str) -> Reader: ...

    def errors(self, status: int | None, document: Document) -> Refusal | None: ...

    def models(self, listing: Document) -> list[tuple[str, int | None]]: ...


class EmbeddingWire(Protocol):
    """The same of embeddings; so many texts go with one request."""

    @property
    def texts_at_once(self) -> int: ...

    def embed(self, name: str, texts: Sequence[str]) -> tuple[str, Document]: ...

    def vectors(self, answer: Document) -> list[list[float]]: ...


class RemoteProvider:
    """One address. ``key_name`` is the variable that its key is set by; some do without one. References name the
    address if it is ``named``."""

    def __init__(
        self,
        wire: Wire,
        base_url: str,
        key: SecretStr | None,
        key_name: str,
        *,
        local: bool,
        key_needed: bool = True,
        named: bool = False,
        embeddings: EmbeddingWire | None = None,
        listing_s: float = 10.0,
    ) -> None:
        self._wire, self._embeddings = wire, embeddings
        self._has_key, self._key_needed, self._key_name = key is not None, key_needed, key_name
        self._habits = KnownHabits(wire.optional, wire.forms, wire.held, alike=wire.alike)
        self._listing_s = listing_s
        self._ref_url = base_url if named else None
        self._known: tuple[str, ...] = ()
        self._local = local
        self._http = RemoteHttp(wire.provider, base_url, key, wire.key_header, wire.headers, direct=local)

    @property
    def name(self) -> str:
        return self._wire.provider

    @property
    def base_url(self) -> str:
        return self._http.base_url

    @property
    def local(self) -> bool:
        return self._local

    @property
    def capabilities(self) -> Capabilities:
        """Whether it holds models to schemas is not known before it was asked to."""
        return Capabilities(
            grammar=False, json_schema=self._habits.knows_schemas, embeddings=self._embeddings is not None
        )

    async def generate(self, model: ModelRef, request: GenerationRequest) -> AsyncGenerator[Chunk, None]:
        """What the model turns out not to take is left out the next time, from the same request on."""
        self._check(model, request)
        call = self._call(model)
        schema = request.constraint.schema if isinstance(request.constraint, JsonSchema) else None
        for tries_left in reversed(range(_MOST_TRIES)):
            path, body = self._wire.chat(model.name, request, self._habits.of(model.name, schema))
            reader = self._wire.reader(str(model))
            try:
                async with aclosing(call.stream(path, body, request, reader)) as chunks:
                    async for chunk in chunks:
                        yield chunk
            except AnswerTooRoomy as refusal:
                if not tries_left or refusal.room_tokens >= request.max_tokens:
                    raise
                request = replace(request, max_tokens=refusal.room_tokens)
            except RequestRefused as refusal:
                sent = self._wire.parameters(body)
                if not tries_left or not self._habits.learn(model.name, schema, sent, refusal.reason):
                    raise
            except ModelNotFound as error:
                raise await self._with_names(error) from error
            else:
                return

    async def embed(self, model: ModelRef, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        self._check_key()
        if self._embeddings is None:
            raise RequestRefused(
                str(model), f"{self.name} has no embeddings; choose a model of another provider"
            )
        vectors: list[list[float]] = []
        step = self._embeddings.texts_at_once
        for some in (texts[at : at + step] for at in range(0, len(texts), step)):
            path, body = self._embeddings.embed(model.name, some)
            call = self._call(model)
            found = self._embeddings.vectors(await call.document("POST", path, body))
            if len(found) != len(some):
                raise BadProviderAnswer(self.name, f"it has {len(found)} vectors for {len(some)} texts")
            vectors += found
        if len({len(vector) for vector in vectors}) > 1:
            raise BadProviderAnswer(self.name, "its vectors are not of one length")
        return vectors

    async def models(self) -> Sequence[ModelInfo]:
        self._check_key()
        listing = await self._call(None).document("GET", self._wire.listing)
        found = {name: context for name, context in self._wire.models(listing) if name}
        self._known = tuple(sorted(found))
        return [ModelInfo(self._reference(name), True, None, found[name]) for name in self._known]

    async def health(self) -> Health:
        """Good when the key is there and is taken."""
        try:
            models = await self.models()
        except ProviderError as error:
            return Health(False, str(error))
        return Health(
            True,
            f"{self.base_url} has {len(models)} models" + (", and takes the key" if self._has_key else ""),
        )

    async def aclose(self) -> None:
        await self._http.aclose()

    def _check(self, model: ModelRef, request: GenerationRequest) -> None:
        """Raises NotAuthorised, RequestRefused."""
        self._check_key()
        if isinstance(request.constraint, Gbnf):
            raise RequestRefused(str(model), f"{self.name} takes a JSON schema, and no grammar")
        if isinstance(request.constraint, JsonSchema) and is_too_deep(request.constraint.schema):
            raise RequestRefused(str(model), "the JSON schema of the answer is too deep")
        if not any(message.content.strip() for message in request.messages):
            raise RequestRefused(str(model), "there is no message to answer")

    def _check_key(self) -> None:
        if self._key_needed and not self._has_key:
            raise NotAuthorised(self.name, self._key_name, "its key is not set")

    def _call(self, model: ModelRef | None) -> RemoteCall:
        named = str(model) if model is not None else self.base_url
        asked = Addressee(self.name, named, self._key_name, self._known)
        return RemoteCall(self._http, asked, self._wire.errors, self._listing_s)

    async def _with_names(self, error: ModelNotFound) -> ModelNotFound:
        """Names help, and are not worth another error."""
        with suppress(ProviderError):
            await self.models()
        asked = replace(self._call(None).asked, model=error.model)
        return ModelNotFound(
            error.model, asked.known(), f"`hone status` shows whether {self.base_url} is there"
        )

    def _reference(self, name: str) -> ModelRef:
        try:
            return ModelRef(self.name, name, self._ref_url)
        except InvalidModelRef as error:
            raise BadProviderAnswer(self.name, f"{name[:80]!r} is no name of a model") from error
