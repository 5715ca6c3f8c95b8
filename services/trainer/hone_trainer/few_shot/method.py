"""The method ``few_shot``: from the train part of a dataset to a prompt version."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hone_chassis.errors import HandlingError
from hone_chassis.logs import get_logger
from hone_chassis.loop_policy import LoopPolicy
from hone_contracts.providers import ListProviders, Providers
from hone_contracts.registry import PromptVersion, Turn
from hone_contracts.teaching import RenderedExample
from hone_contracts.training import PlannedVersion
from hone_trainer.asking import Asking
from hone_trainer.errors import BadSetting, NothingToTeach
from hone_trainer.examples import Example
from hone_trainer.few_shot.mmr import choose
from hone_trainer.few_shot.similarity import centre, cosine, vectors
from hone_trainer.rendering import render
from hone_trainer.runs.worker import Assignment, Made

log = get_logger(__name__)

CANDIDATES = 200
"""The best ones, of which examples are chosen: similarity is looked at for each pair."""

CHARS_A_TOKEN = 3
"""Few for prose, right for code and JSON: an estimate that is too high wastes room, one too low cuts answers."""

UNKNOWN_CONTEXT = 4096

_QUALITY = 0.7  # of relevance; the rest is how near a text is to what the pool is about


class FewShotSettings(BaseModel):
    """What a run may set (``hone train --set``); the policy's numbers otherwise."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    examples: int = Field(ge=1, le=100)
    context_share: float = Field(gt=0, lt=1)
    diversity: float = Field(ge=0, le=1)
    context_tokens: int | None = Field(default=None, ge=256)

    @classmethod
    def of(cls, policy: LoopPolicy, told: dict[str, Any]) -> "FewShotSettings":
        """Raises BadSetting."""
        defaults = {
            "examples": policy.most_examples,
            "context_share": policy.context_share,
            "diversity": policy.diversity,
        }
        try:
            return cls.model_validate(defaults | told)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise BadSetting(
                f"{where}: {first['msg']}; few_shot knows {', '.join(cls.model_fields)}"
            ) from error


@dataclass(frozen=True)
class FewShot:
    ask: Asking
    policy: LoopPolicy

    async def __call__(self, assignment: Assignment) -> Made:
        started = time.perf_counter()
        settings = FewShotSettings.of(self.policy, dict(assignment.settings))
        planned = assignment.planned
        context = settings.context_tokens or await self._context_tokens(planned)
        candidates = _best(assignment.train, CANDIDATES)
        await assignment.progress(
            "examples", f"choosing among {len(candidates)}", done=0, total=settings.examples
        )
        rendered = await render(
            self.ask,
            assignment.tenant,
            assignment.dataset.artifact_type,
            planned.reading,
            [example.text for example, _ in candidates],
        )
        room = int(context * settings.context_share) * CHARS_A_TOKEN
        chosen = await asyncio.to_thread(_choose, candidates, rendered, settings, room)
        if not chosen:
            raise NothingToTeach(_why_not(rendered, room))
        prompt = _prompt(planned, [rendered[i] for i in chosen])
        chars = sum(len(turn.content) for turn in prompt.turns)
        return Made(
            weights_uri=None,
            prompt=prompt,
            parameters=settings.model_dump() | {"context_tokens": context},
            figures={
                "examples": [candidates[i][0].id for i in chosen],
                "candidates": len(candidates),
                "turns": len(prompt.turns),
                "prompt_chars": chars,
                "seconds": round(time.perf_counter() - started, 3),
            },
        )

    async def _context_tokens(self, planned: PlannedVersion) -> int:
        """Of the model, as its provider tells."""
        try:
            providers = await self.ask(ListProviders(), Providers)
        except HandlingError as error:
            log.warning("the model's context is not known", model=planned.model, error=str(error))
            return UNKNOWN_CONTEXT
        wanted = {planned.model, planned.base.served_by}
        for provider in providers.providers:
            for model in provider.models:
                if model.model in wanted and model.context_tokens:
                    return model.context_tokens
        return UNKNOWN_CONTEXT


def _best(train: Sequence[tuple[Example, float]], most: int) -> list[tuple[Example, float]]:
    """By what people and validators say of them; corrected ones first where that is the same."""
    return sorted(train, key=lambda each: (-_quality(*each), not each[0].corrected, each[0].id))[:most]


def _quality(example: Example, weight: float) -> float:
    """0..1: agreement and the person's share in the batch (the weight), the validators' score, and that somebody
    took the trouble to correct it."""
    return min(1.0, 0.4 * min(weight, 1.5) / 1.5 + 0.3 * example.score / 100 + 0.3 * example.corrected)


def _choose(
    candidates: Sequence[tuple[Example, float]],
    rendered: Sequence[RenderedExample],
    settings: FewShotSettings,
    room: int,
) -> list[int]:
    """Indices, the most relevant last: what stands nearest to the question is followed most."""
    texts = vectors([example.requirements for example, _ in candidates])
    middle = centre(texts)
    relevance = [
        _QUALITY * _quality(*candidate) + (1 - _QUALITY) * cosine(vector, middle)
        for candidate, vector in zip(candidates, texts, strict=True)
    ]
    chosen = choose(
        relevance,
        lambda i, j: cosine(texts[i], texts[j]),
        # What has no pairs fits nowhere.
        [_chars(each) if each.pairs else room + 1 for each in rendered],
        most=settings.examples,
        room=room,
        diversity=settings.diversity,
    )
    return sorted(chosen, key=lambda i: relevance[i])


def _chars(rendered: RenderedExample) -> int:
    return sum(len(pair.user) + len(pair.assistant) for pair in rendered.pairs)


def _prompt(planned: PlannedVersion, rendered: Sequence[RenderedExample]) -> PromptVersion:
    pairs = [pair for each in rendered for pair in each.pairs]
    turns = [
        turn
        for pair in pairs
        for turn in (Turn(role="user", content=pair.user), Turn(role="assistant", content=pair.assistant))
    ]
    return PromptVersion(reading=planned.reading, system=pairs[0].system, turns=tuple(turns))


def _why_not(rendered: Sequence[RenderedExample], room: int) -> dict[str, int]:
    reasons = Counter(each.reason or "no pair says it" for each in rendered if not each.pairs)
    too_long = sum(1 for each in rendered if each.pairs)
    if too_long:
        reasons[f"longer than the {room} characters that the model's context has for examples"] += too_long
    return dict(reasons)
