"""Both versions answer one prompt, as any request would be answered, and what that was worth.

A prompt that fails fails for itself. Who goes first changes with each prompt, so that what the one leaves in caches
favours neither.
"""

import asyncio
import statistics
from dataclasses import dataclass, field

from hone_chassis.logs import get_logger
from hone_contracts.artifacts import Artifact
from hone_contracts.evaluation import AnswerFigures, HeldOutItem, PairFigures
from hone_contracts.registry import Route
from hone_generator.artifacts.kind import ArtifactKind
from hone_generator.artifacts.options import BadOption, check_names
from hone_generator.engine.engine import Engine, Request
from hone_generator.engine.errors import NoAnswer
from hone_generator.engine.storable import printable
from hone_generator.engine.telling import Audience
from hone_generator.evaluation.likeness import likeness
from hone_generator.teaching.agreement import agreement

log = get_logger(__name__)

GIVEN_UP_AFTER = 5
"""Prompts in a row that a version gave no answer to: it is gone, and the rest of them is not waited for."""

_MOST_ERROR_CHARS = 200
_WARMING_CHARS = 300
_F1_DIGITS = 4


@dataclass(slots=True)
class Side:
    """One of the two versions: a route that holds it alone, and how it does."""

    route: Route
    answered: int = 0
    failed_in_a_row: int = 0
    first_error: str = ""  # the later ones may only say that it is left alone

    @property
    def gone(self) -> bool:
        return self.failed_in_a_row >= GIVEN_UP_AFTER

    def met(self, error: str) -> None:
        self.first_error = self.first_error or error


@dataclass(frozen=True, slots=True)
class Answering:
    """Answers through ``engine``. ``champion`` and ``challenger`` keep count over all prompts."""

    engine: Engine
    kind: ArtifactKind
    champion: Side
    challenger: Side
    _judging: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def warm_up(self, item: HeldOutItem) -> None:
        """Have both loaded before anything is measured: a moment's answer to the beginning of a text."""
        short = item.model_copy(update={"requirements": item.requirements[:_WARMING_CHARS]})
        for side in (self.champion, self.challenger):
            once = {"attempts_per_model": 1, "best_of": 1}
            try:
                await self._generated(side.route.model_copy(update=once), short)
            except (NoAnswer, BadOption) as error:
                side.met(str(error))
                log.info("not warmed up", version=side.route.version, error=str(error))

    async def pair(self, item: HeldOutItem, *, challenger_first: bool) -> PairFigures:
        """Never raises but when it is cancelled."""
        if challenger_first:
            challenger = await self._figures(self.challenger, item)
            champion = await self._figures(self.champion, item)
        else:
            champion = await self._figures(self.champion, item)
            challenger = await self._figures(self.challenger, item)
        return PairFigures(
            item=item.item,
            group=item.group,
            corrected=item.corrected,
            champion=champion,
            challenger=challenger,
        )

    async def _figures(self, side: Side, item: HeldOutItem) -> AnswerFigures:
        if side.gone:
            return _without_answer(f"not asked: it gave no answer to {GIVEN_UP_AFTER} prompts in a row")
        try:
            artifact = await self._generated(side.route, item)
            figures = await self._measured(artifact, item)
        except NoAnswer as error:
            side.failed_in_a_row += 1
            side.met(str(error))
            return _without_answer(str(error))
        except BadOption as error:
            side.met(str(error))
            return _without_answer(str(error))
        except Exception as error:  # the edge: one prompt that meets a bug is no reason to lose all others
            log.exception("a held-out prompt met a bug", item=item.item, version=side.route.version)
            side.met(f"unexpected: {error!r}")
            return _without_answer("an unexpected error; the generator's log has the cause")
        side.answered += 1
        side.failed_in_a_row = 0
        return figures

    async def _generated(self, route: Route, item: HeldOutItem) -> Artifact:
        check_names(self.kind, item.options)
        audience = Audience()
        try:
            request = Request(self.kind, route, item.requirements, item.context_text, item.options)
            return await self.engine.generate(request, audience)
        finally:
            await audience.flush()

    async def _measured(self, artifact: Artifact, item: HeldOutItem) -> AnswerFigures:
        overall = relations = bleu = chrf = None
        if item.reference is not None:
            async with self._judging:  # hostile texts take a second each
                found = await asyncio.to_thread(
                    agreement, self.kind, artifact.content, item.reference, item.options
                )
                bleu, chrf = await asyncio.to_thread(likeness, artifact.content, item.reference)
            overall, relations = _rounded(found.overall), _rounded(found.relations)
        return AnswerFigures(
            score=artifact.score,
            overall_f1=overall,
            relations_f1=relations,
            bleu=bleu,
            chrf=chrf,
            latency_ms=artifact.timings_ms["total"],
            tokens=sum(each.prompt_tokens + each.completion_tokens for each in artifact.attempts),
        )


def median_score(figures: list[AnswerFigures]) -> float | None:
    """For the log."""
    scores = [each.score for each in figures if each.score is not None]
    return statistics.median(scores) if scores else None


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _F1_DIGITS)


def _without_answer(error: str) -> AnswerFigures:
    return AnswerFigures(error=printable(" ".join(error.split()))[:_MOST_ERROR_CHARS])
