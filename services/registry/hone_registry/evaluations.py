"""What comes of an evaluation: the version stays beside the champion, answers a share, answers all, or is out."""

import asyncio
from collections.abc import Iterable

from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.database import Database
from hone_chassis.loop_policy import LoopPolicy
from hone_contracts.evaluation import EvaluationCompleted, EvaluationFailed, Verdict
from hone_contracts.messages import Message
from hone_registry import audit, models, watching
from hone_registry.deployed import evaluation_of
from hone_registry.judged import judged
from hone_registry.policy.verdict import Decision, decide
from hone_registry.route_changes import Wake, route_changes
from hone_registry.seats import Seats
from hone_registry.standings import as_reading
from hone_registry.tables import CANARY, CHALLENGER, CHAMPION, EvaluationRow, ModelRow, VersionRow
from hone_registry.turns import one_at_a_time

MOST_EVALUATIONS = 3
"""Of one version, each against a champion that came meanwhile: one that is late thrice is left to the next run."""


class Evaluations:
    """Handles EvaluationCompleted and EvaluationFailed. ``wake`` is told of changed routes."""

    def __init__(self, database: Database, policy: LoopPolicy, wake: Wake) -> None:
        self._database, self._policy, self._wake = database, policy, wake

    async def completed(self, message: EvaluationCompleted, session: AsyncSession) -> Iterable[Message]:
        await one_at_a_time(session, self._database)
        found = await _candidate(message, session)
        if found is None:
            return ()
        model, version = found
        seats = Seats(session, model, message.artifact_type.value, audit.LOOP)
        champion = await seats.champion(as_reading(version.reading))
        if champion is None or champion.version != message.champion:
            return await self._late(message, version, seats)
        seed = f"{model.name} {champion.version} {version.version}"
        decision = await asyncio.to_thread(decide, message.pairs, self._policy, seed)
        row = _evaluation(message, version, decision)
        session.add(row)  # at once: the watch over what comes of it looks there
        async with route_changes(session, message.tenant, message, self._wake):
            verdict, others = await self._seated(decision, version, seats, message)
        row.verdict = verdict
        told = judged(seats, version, verdict, decision.reasons, figures=decision.figures, cause=message)
        return [told, *others]

    async def _seated(
        self, decision: Decision, version: VersionRow, seats: Seats, cause: Message
    ) -> tuple[Verdict, list[Message]]:
        """What the decision leads to, and what it means for the version that was canary before."""
        why, figures = "; ".join(decision.reasons), decision.figures
        if decision.finding == "worse":
            await seats.set_aside(version, "rejected", why, figures=figures)
            return "rejected", []
        if decision.finding == "not_worse":
            await seats.seat(CHALLENGER, version, why, figures=figures)
            return "challenger", []
        replaced = await seats.holder(CANARY)
        others: list[Message] = []
        if replaced is not None:
            reason = f"{version.name} was found better meanwhile"
            await seats.set_aside(replaced, "superseded", reason)
            others = [judged(seats, replaced, "superseded", [reason], cause=cause)]
        if self._policy.canary_share == 0:
            was = await seats.crown(version, why, figures=figures)
            await watching.begin(seats, CHAMPION, version, was, self._policy)
            return "promoted", others
        await seats.seat(CANARY, version, why, share=self._policy.canary_share, figures=figures)
        champion = await seats.champion(as_reading(version.reading))
        await watching.begin(seats, CANARY, version, champion, self._policy)
        return "canary", others

    async def _late(
        self, message: EvaluationCompleted, version: VersionRow, seats: Seats
    ) -> Iterable[Message]:
        """The champion that it was compared with is champion no more."""
        if version.evaluations_asked < MOST_EVALUATIONS:
            return [await evaluation_of(version, seats, message)]
        reason = f"the champion changed during each of {MOST_EVALUATIONS} evaluations"
        await seats.set_aside(version, "superseded", reason)
        return [judged(seats, version, "superseded", [reason], cause=message)]

    async def failed(self, message: EvaluationFailed, session: AsyncSession) -> Iterable[Message]:
        """It stays beside the champion, neither good nor bad. Its job ends with the failure itself."""
        await one_at_a_time(session, self._database)
        found = await _candidate(message, session)
        if found is not None:
            model, version = found
            seats = Seats(session, model, message.artifact_type.value, audit.LOOP)
            await seats.seat(CHALLENGER, version, f"its evaluation failed: {message.error.detail[:500]}")
        return ()


async def _candidate(
    message: EvaluationCompleted | EvaluationFailed, session: AsyncSession
) -> tuple[ModelRow, VersionRow] | None:
    """None when it was judged already, or somebody promoted it by hand meanwhile."""
    model = await models.named(session, message.tenant, message.model)
    key = (None if model is None else model.id, message.challenger)
    # Locked: its run may be cancelled meanwhile.
    version = None if model is None else await session.get(VersionRow, key, with_for_update=True)
    if model is None or version is None or version.state != "candidate":
        return None
    return model, version


def _evaluation(message: EvaluationCompleted, version: VersionRow, decision: Decision) -> EvaluationRow:
    return EvaluationRow(
        model_id=version.model_id,
        artifact_type=message.artifact_type.value,
        champion=message.champion,
        challenger=message.challenger,
        run_id=message.correlation_id,
        verdict="",
        reasons=list(decision.reasons),
        figures=decision.figures,
        pairs=[pair.model_dump(mode="json") for pair in message.pairs],
    )
