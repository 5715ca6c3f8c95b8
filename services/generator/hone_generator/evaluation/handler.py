"""What the generator does with ``EvaluateVersions``. It may come again: nothing is kept but the one outcome."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hone_chassis import Outcome, ProgressPublisher
from hone_chassis.cancellations import Cancellations, JobWasCancelled
from hone_chassis.logs import get_logger
from hone_contracts.artifacts import ArtifactType
from hone_contracts.evaluation import (
    EvaluateVersions,
    EvaluationCompleted,
    EvaluationFailed,
    HeldOutItem,
    PairFigures,
)
from hone_contracts.registry import Reading, Route, ServedVersion
from hone_generator.artifacts.kind import ArtifactKind
from hone_generator.engine.engine import Engine
from hone_generator.evaluation.answering import Answering, Side, median_score
from hone_generator.evaluation.errors import EvaluationError, NoSuchType, NothingAnswered
from hone_generator.evaluation.held_out import read_held_out
from hone_generator.served import IN_PROCESS, provider_word

log = get_logger(__name__)

OnlyVersion = Callable[[ArtifactType, str, Reading, ServedVersion], Route]
"""The type's route with this version in it and no other: ``Router.alone``."""


@dataclass(frozen=True)
class EvaluationHandler:
    """``folders`` are where held-out files may lie. ``parallel`` prompts are answered at once, but one by one where a
    version runs in this process: two answers would share its cores, and their times tell nothing. After ``limit_s``
    no further prompt is begun: nobody waits for ever, and those that were answered tell enough."""

    kinds: Mapping[ArtifactType, ArtifactKind]
    only: OnlyVersion
    engine: Engine
    cancellations: Cancellations
    folders: Sequence[Path]
    parallel: int = 2
    limit_s: float = 2700.0

    async def __call__(self, command: EvaluateVersions, progress: ProgressPublisher) -> Outcome:
        try:
            async with self.cancellations.interruptible(command.correlation_id):
                pairs = await self._pairs(command, progress)
        except JobWasCancelled:
            return Outcome()
        except EvaluationError as error:
            log.warning("not evaluated", code=error.code, reason=str(error))
            return Outcome([_failed(command, error)])
        log.info(
            "evaluated",
            prompts=len(pairs),
            champion=median_score([each.champion for each in pairs]),
            challenger=median_score([each.challenger for each in pairs]),
        )
        told = EvaluationCompleted.caused_by(
            command,
            artifact_type=command.artifact_type,
            model=command.model,
            champion=command.champion.version,
            challenger=command.challenger.version,
            pairs=tuple(pairs),
        )
        return Outcome([told])

    async def _pairs(self, command: EvaluateVersions, progress: ProgressPublisher) -> list[PairFigures]:
        kind = self.kinds.get(command.artifact_type)
        if kind is None:
            raise NoSuchType(command.artifact_type, ", ".join(self.kinds))
        found = await asyncio.to_thread(read_held_out, command.held_out_uri, self.folders)
        if found.refused or found.left_out:
            log.warning(
                "held-out prompts left out", refused=found.refused[:5], beyond_the_most=found.left_out
            )
        champion, challenger = (
            Side(self.only(command.artifact_type, command.model, command.reading, version))
            for version in (command.champion, command.challenger)
        )
        answering = Answering(self.engine, kind, champion, challenger)
        await progress("evaluating", "loading both versions", done=0, total=len(found.items))
        await answering.warm_up(found.items[0])
        pairs = await self._answered(answering, found.items, progress)
        if not champion.answered and not challenger.answered:
            raise NothingAnswered(champion.first_error, challenger.first_error)
        return pairs

    async def _answered(
        self, answering: Answering, items: Sequence[HeldOutItem], progress: ProgressPublisher
    ) -> list[PairFigures]:
        """In the order of the items. Who goes first changes with each of them."""
        room, loop = asyncio.Semaphore(self._at_once(answering)), asyncio.get_running_loop()
        done, until = 0, loop.time() + self.limit_s

        async def answered(number: int, item: HeldOutItem) -> PairFigures | None:
            nonlocal done
            async with room:
                if done and loop.time() > until:
                    return None
                pair = await answering.pair(item, challenger_first=number % 2 == 1)
            done += 1
            await progress("evaluating", "", done=done, total=len(items))
            return pair

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(answered(*each)) for each in enumerate(items)]
        pairs = [pair for task in tasks if (pair := task.result()) is not None]
        if len(pairs) < len(items):
            log.warning("not all prompts were asked", asked=len(pairs), of=len(items), limit_s=self.limit_s)
        return pairs

    def _at_once(self, answering: Answering) -> int:
        routes = answering.champion.route, answering.challenger.route
        here = any(provider_word(each.served_by or each.model) == IN_PROCESS for each in routes)
        return 1 if here else self.parallel


def _failed(command: EvaluateVersions, error: EvaluationError) -> EvaluationFailed:
    return EvaluationFailed.caused_by(
        command,
        artifact_type=command.artifact_type,
        model=command.model,
        challenger=command.challenger.version,
        error=error.body(),
    )
