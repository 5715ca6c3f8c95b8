"""Models that do as a test scripts them, in a world with a clock of its own: what they are asked is kept.

An answer is a number: its score. The artifact type is one whose validators read that number, so that a test says how
good each answer is.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import simulated_time

from hone_contracts.artifacts import ArtifactType, ValidatorResult
from hone_contracts.models import ModelRef
from hone_contracts.registry import Reading, Route
from hone_generator.artifacts.kind import ArtifactKind, Ask, Brief, Draft, Subject, Tell, Tools
from hone_generator.artifacts.prompting import whole_messages
from hone_generator.engine.budget import Price, unknown_price
from hone_generator.engine.circuits import Circuits
from hone_generator.engine.engine import Engine, Request
from hone_generator.engine.telling import Audience
from hone_generator.mermaid import MermaidParser
from hone_generator.providers.base import (
    Capabilities,
    Chunk,
    FinishReason,
    GenerationRequest,
    Health,
    JsonSchema,
    ModelInfo,
    Usage,
)
from hone_generator.providers.errors import ProviderError, RequestRefused


@dataclass(frozen=True)
class Step:
    """What a model does with one question: wait, write, wait in the middle, and end well or with an error."""

    text: str = ""
    error: ProviderError | None = None
    first_s: float = 0.1
    middle_s: float = 0.0
    stops_in_s: float = 0.0  # how long it takes to stop when it is told to
    finish: FinishReason = FinishReason.STOP
    usage: Usage | None = field(default_factory=lambda: Usage(10, 5))


@dataclass
class PlayedProvider:
    """``plays``: by model name, what it does with the n-th question; the last step again and again. It obeys no
    time limit of its own, so that the engine's are seen."""

    plays: Mapping[str, Sequence[Step]]
    local: bool = True
    capabilities: Capabilities = field(default_factory=lambda: Capabilities(grammar=True, json_schema=True))
    name: str = "played"
    requests: list[tuple[str, GenerationRequest]] = field(default_factory=list)
    stopped: int = 0

    async def generate(self, model: ModelRef, request: GenerationRequest) -> AsyncGenerator[Chunk, None]:
        asked = sum(name == model.name for name, _ in self.requests)
        self.requests.append((model.name, request))
        steps = self.plays[model.name]
        step = steps[min(asked, len(steps) - 1)]
        try:
            await asyncio.sleep(step.first_s)
            half = len(step.text) // 2
            if step.text[:half]:
                yield Chunk(step.text[:half])
            await asyncio.sleep(step.middle_s)
            if step.error is not None:
                raise step.error
            if step.text[half:]:
                yield Chunk(step.text[half:])
            yield Chunk("", step.finish, step.usage)
        except (asyncio.CancelledError, GeneratorExit):
            self.stopped += 1
            await asyncio.sleep(step.stops_in_s)
            raise

    async def embed(self, model: ModelRef, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        raise RequestRefused(str(model), "it gives no vectors")

    async def models(self) -> Sequence[ModelInfo]:
        return ()

    async def health(self) -> Health:
        return Health(True, "played")

    async def aclose(self) -> None:
        return None

    def asked(self, model: str) -> list[GenerationRequest]:
        return [request for name, request in self.requests if name == model]


class Numbers:
    """The artifact type: the content is the answer, its score the number in it."""

    type: ClassVar[ArtifactType] = ArtifactType.USER_STORIES
    prompt_version = "numbers/1"
    suffix = ".txt"

    def __init__(self, *readings: Reading, questions: int = 1) -> None:
        self.readings: frozenset[Reading] = frozenset(readings or ("whole",))
        self._questions = questions

    async def make(self, brief: Brief, ask: Ask, tell: Tell) -> Draft:
        answers = []
        for number in range(self._questions if brief.reading != "whole" else 1):
            await tell("reading", str(number))
            messages = whole_messages(f"question {number}", brief)
            answers.append(await ask(messages, JsonSchema({"type": "object"})))
        return Draft(answers[-1], {"reading": brief.reading}, answer=answers[-1])

    def read(self, subject: Subject) -> Any:
        raise AssertionError("the numbers are judged as a whole")

    async def syntax(self, subject: Subject, tools: Tools) -> ValidatorResult:
        raise AssertionError("the numbers are judged as a whole")


async def judged(kind: ArtifactKind, subject: Subject, tools: Tools) -> Sequence[ValidatorResult]:
    """``37`` scores 37; what is no number fails the gate."""
    assert subject.draft is not None
    if not subject.content.isdigit():
        message = "this is no number; write one"
        return [
            ValidatorResult(name="syntax", score=0, passed=False, messages=(message,)),
            ValidatorResult(name="structure", score=0, passed=False, messages=("there is nothing in it",)),
        ]
    score = min(100, int(subject.content))
    said = (f"{score} is too low; write a higher one",) if score < 100 else ()
    return [
        ValidatorResult(name="syntax", score=100, passed=True),
        ValidatorResult(name="structure", score=score, passed=score >= 60, messages=said),
    ]


@dataclass
class Heard:
    """Someone who watches a job."""

    told: list[tuple[str, str]] = field(default_factory=list)
    text: str = ""

    async def __call__(
        self, stage: str, message: str = "", *, done: int | None = None, total: int | None = None
    ) -> None:
        self.told.append((stage, message))

    async def token(self, stage: str, text: str) -> None:
        self.text += text
        self.told.append(("token", text))

    @property
    def stages(self) -> list[str]:
        return [stage for stage, _ in self.told]


@dataclass
class World:
    """An engine with played models, local and in the cloud (``cloud:NAME``)."""

    plays: Mapping[str, Sequence[Step]]
    kind: Any = field(default_factory=Numbers)
    price: Price = unknown_price
    capabilities: Capabilities = field(default_factory=lambda: Capabilities(grammar=True, json_schema=True))
    judged: Callable[..., Any] = judged
    heard: Heard = field(default_factory=Heard)

    def __post_init__(self) -> None:
        self.local = PlayedProvider(self.plays, capabilities=self.capabilities)
        self.cloud = PlayedProvider(self.plays, local=False, capabilities=self.capabilities)
        self.circuits = Circuits(simulated_time.now)
        self.engine = Engine(
            {"played": self.local, "cloud": self.cloud},
            Tools(MermaidParser()),
            self.circuits,
            self.price,
            self.judged,
            simulated_time.now,
            jitter=lambda: 0.5,
        )

    def request(self, route: Route, **more: Any) -> Request:
        return Request(self.kind, route, "Make it high.", **more)

    async def generate(self, route: Route, **more: Any) -> Any:
        audience = Audience()
        await audience.join(self.heard)
        try:
            return await self.engine.generate(self.request(route, **more), audience)
        finally:
            await audience.flush()


def route(*models: str, **more: Any) -> Route:
    """A route of played models by their names."""
    first, *others = (name if ":" in name else f"played:{name}" for name in models)
    fields: dict[str, Any] = {
        "artifact_type": ArtifactType.USER_STORIES,
        "model": first,
        "fallbacks": tuple({"model": name} for name in others),
    }
    return Route(**(fields | more))


def models_of(artifact: Any) -> list[str]:
    """Who was asked, in order."""
    return [each.model.removeprefix("played:") for each in artifact.attempts]
