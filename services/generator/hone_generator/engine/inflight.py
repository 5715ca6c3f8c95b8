"""Identical requests in flight are computed once: the first one's work answers all of them.

The work belongs to nobody's job. Who is cancelled leaves, and the work ends when nobody is left.
"""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from hone_contracts.artifacts import Artifact
from hone_contracts.generation import GenerateArtifact
from hone_contracts.ids import new_id
from hone_contracts.registry import Route
from hone_generator.engine import metrics
from hone_generator.engine.telling import Audience, Listener

_LEAVING_S = 3.0  # what a model is given to stop before a job that was cancelled lets go of it


def key_of(command: GenerateArtifact, route: Route) -> str:
    """The same for commands that ask for the same, of the same tenant, by the same route."""
    asked = command.model_dump(
        mode="json",
        include={"tenant", "artifact_type", "requirements", "model", "context_text", "options", "budget"},
    )
    whole = json.dumps([asked, route.model_dump(mode="json")], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(whole.encode()).hexdigest()


@dataclass(slots=True)
class _Shared:
    task: "asyncio.Task[Artifact]"
    audience: Audience
    waiting: int = 0


@dataclass(slots=True)
class Inflight:
    """What is being computed now, by key."""

    _shared: dict[str, _Shared] = field(default_factory=dict)

    async def answer(
        self, key: str, listener: Listener, compute: Callable[[Audience], Awaitable[Artifact]]
    ) -> Artifact:
        """The artifact, under an id of its own for each who asked. Raises what ``compute`` raises."""
        shared = self._shared.get(key)
        if shared is None:
            audience = Audience()
            shared = self._shared[key] = _Shared(asyncio.create_task(_run(compute, audience)), audience)
        else:
            metrics.SHARED.inc()
        shared.waiting += 1
        try:
            await shared.audience.join(listener)
            await asyncio.wait({shared.task})
        finally:
            shared.waiting -= 1
            shared.audience.leave(listener)
            if not shared.waiting:
                if self._shared.get(key) is shared:
                    del self._shared[key]
                await _ended(shared.task)
        return shared.task.result().model_copy(update={"artifact_id": new_id("art")})


async def _run(compute: Callable[[Audience], Awaitable[Artifact]], audience: Audience) -> Artifact:
    try:
        return await compute(audience)
    finally:
        await audience.flush()


async def _ended(task: "asyncio.Task[Artifact]") -> None:
    if not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_LEAVING_S)
    if task.done() and not task.cancelled():
        task.exception()  # nobody is left who would look at it
