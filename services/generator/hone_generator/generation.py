"""From requirements to a scored artifact: ask the model, render, validate, and keep the reasons."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from time import perf_counter

from hone_chassis import ProgressPublisher
from hone_contracts.artifacts import Artifact, Attempt, ValidatorResult
from hone_contracts.ids import new_id
from hone_contracts.models import ModelRef
from hone_contracts.registry import Reading, Route
from hone_generator.artifacts.kind import ArtifactKind, Draft, Tools
from hone_generator.providers.base import ChatMessage, Gbnf, GenerationRequest, JsonSchema, Provider
from hone_generator.validators.scoring import combine

_ADVICE = (
    "A larger model will do better: install Ollama, run `ollama pull qwen2.5-coder:7b`, then "
    "`hone generate --model ollama:qwen2.5-coder:7b …`."
)
# Below this score, a reader of a small model's answer is told that there are larger ones.
_ADVISE_BELOW = 80
_MAX_ANSWER_TOKENS: dict[Reading, int] = {"passages": 256, "passages_schema": 1024, "whole": 8192}


@dataclass
class _Asked:
    """What asking has cost so far."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    model_ms: float = 0.0


@dataclass
class Conversation:
    """Puts an artifact type's questions to the route's model, and passes on what it writes."""

    provider: Provider
    route: Route
    progress: ProgressPublisher
    cost: _Asked = field(default_factory=_Asked)

    async def ask(self, messages: Sequence[ChatMessage], constraint: Gbnf | JsonSchema | None) -> str:
        request = GenerationRequest(
            messages=tuple(messages),
            max_tokens=_MAX_ANSWER_TOKENS[self.route.reading],
            temperature=self.route.temperature,
            constraint=constraint,
            timeout_s=self.route.timeout_s,
        )
        started, parts = perf_counter(), []
        async with aclosing(self.provider.generate(ModelRef.parse(self.route.model), request)) as chunks:
            async for chunk in chunks:
                if chunk.text:
                    parts.append(chunk.text)
                    await self.progress.token("writing", chunk.text)
                if chunk.usage is not None:
                    self.cost.prompt_tokens += chunk.usage.prompt_tokens
                    self.cost.completion_tokens += chunk.usage.completion_tokens
        self.cost.calls += 1
        self.cost.model_ms += (perf_counter() - started) * 1000
        return "".join(parts)


async def generate(
    kind: ArtifactKind, requirements: str, conversation: Conversation, tools: Tools
) -> Artifact:
    """One attempt. Raises ProviderError when the model gives no answer, MermaidError when the grammar gives no
    verdict; a bad answer is no error but a low score."""
    route, progress = conversation.route, conversation.progress
    started = perf_counter()
    draft = await kind.make(requirements, route.reading, conversation.ask, progress)
    made = perf_counter()
    await progress("validating")
    results = await kind.judge(draft.content, requirements, tools, draft)
    ended = perf_counter()
    timings_ms = {
        "total": (ended - started) * 1000,
        "model": conversation.cost.model_ms,
        "making": (made - started) * 1000 - conversation.cost.model_ms,
        "validating": (ended - made) * 1000,
    }
    return _artifact(kind, draft, results, conversation, timings_ms)


def _artifact(
    kind: ArtifactKind,
    draft: Draft,
    results: list[ValidatorResult],
    conversation: Conversation,
    timings_ms: dict[str, float],
) -> Artifact:
    route, cost, verdict = conversation.route, conversation.cost, combine(results)
    attempt = Attempt(
        model=route.model,
        prompt_version=kind.prompt_version,
        score=verdict.score,
        prompt_tokens=cost.prompt_tokens,
        completion_tokens=cost.completion_tokens,
        latency_ms=round(timings_ms["total"], 2),
    )
    local = ModelRef.parse(route.model).provider == "llamacpp"
    return Artifact(
        artifact_id=new_id("art"),
        type=kind.type,
        content=draft.content,
        ir=draft.ir,
        score=verdict.score,
        accepted=verdict.score >= route.threshold,
        model=route.model,
        attempts=(attempt,),
        validators=tuple(results),
        evidence=draft.evidence,
        timings_ms={name: round(ms, 2) for name, ms in timings_ms.items()},
        reasons=(*verdict.reasons, *draft.notes),
        advice=_ADVICE if local and verdict.score < _ADVISE_BELOW else None,
    )
