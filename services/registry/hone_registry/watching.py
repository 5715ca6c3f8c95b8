"""Watches over champions and canaries: when they begin, and what their end leads to."""

from collections.abc import Iterable
from typing import Any

from sqlmodel import col, delete, select
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.loop_policy import LoopPolicy
from hone_chassis.tables import utc_now
from hone_contracts.ids import new_id
from hone_contracts.messages import Message
from hone_registry import audit, live_figures
from hone_registry.judged import judged
from hone_registry.live_tables import WatchRow
from hone_registry.policy.watch import Moments, Watch, begun, moments, restored, stored
from hone_registry.route_changes import Wake, route_changes
from hone_registry.seats import Seats
from hone_registry.standings import as_reading
from hone_registry.tables import (
    CANARY,
    CHALLENGER,
    CHAMPION,
    Alias,
    EvaluationRow,
    ModelRow,
    VersionRow,
)


async def begin(
    seats: Seats, alias: Alias, version: VersionRow, against: VersionRow | None, policy: LoopPolicy
) -> None:
    """Follow ``version``, which must not be worse than ``against`` was. With None there is nothing to compare."""
    await end(seats, alias)
    if against is None:
        return
    rival = (seats.model_id, seats.artifact_type, against.version)
    so_far = answers = await live_figures.answers_of(seats.session, rival)
    verdicts = await live_figures.verdicts_of(seats.session, rival)
    if answers.count < policy.watch_min_answers:
        answers = await _held_out(seats, version, against)
    seats.session.add(
        WatchRow(
            model_id=seats.model_id,
            artifact_type=seats.artifact_type,
            alias=alias,
            version=version.version,
            against=against.version,
            watch=new_id("watch"),
            state=stored(begun(answers, verdicts, policy)),
            rival={"mean": answers.mean, "answers": so_far.count, "total": so_far.total},
        )
    )
    await seats.session.flush()


async def end(seats: Seats, *aliases: Alias) -> None:
    await seats.session.exec(
        delete(WatchRow).where(
            col(WatchRow.model_id) == seats.model_id,
            col(WatchRow.artifact_type) == seats.artifact_type,
            col(WatchRow.alias).in_(aliases),
        )
    )


async def _held_out(seats: Seats, version: VersionRow, against: VersionRow) -> Moments:
    """The scores that ``against`` had when the two were evaluated: all that is known of one that nobody asked."""
    query = (
        select(EvaluationRow)
        .where(
            EvaluationRow.model_id == seats.model_id,
            EvaluationRow.artifact_type == seats.artifact_type,
            EvaluationRow.challenger == version.version,
            EvaluationRow.champion == against.version,
        )
        .order_by(col(EvaluationRow.id).desc())
        .limit(1)
    )
    found = (await seats.session.exec(query)).first()
    pairs = [] if found is None else found.pairs
    return moments((pair["champion"]["score"] or 0) / 100 for pair in pairs)


class Watchers:
    """Decide what a watch leads to. The caller has its turn among the writers."""

    def __init__(self, policy: LoopPolicy, wake: Wake) -> None:
        self._policy, self._wake = policy, wake

    def is_due(self, row: WatchRow, watch: Watch, answers: int) -> bool:
        """Whether it decides something, or may, once it stands like this."""
        if watch.alarmed(self._policy.watch_alpha):
            return True
        return row.alias == CANARY and (answers >= self._policy.canary_min_answers or self._is_too_old(row))

    async def settle(
        self, session: AsyncSession, row: WatchRow, cause: Message | None = None
    ) -> Iterable[Message]:
        """Act on it if it decides something."""
        watch = restored(row.state)
        if not self.is_due(row, watch, row.answers):
            return ()
        model = await session.get_one(ModelRow, row.model_id)
        seats = Seats(session, model, row.artifact_type, audit.LOOP)
        version = await seats.version(row.version)
        if not await self._is_seated(row, seats, version):
            await session.delete(row)  # it left its seat in another way
            return ()
        async with route_changes(session, model.tenant, cause, self._wake):
            if watch.alarmed(self._policy.watch_alpha):
                return await self._alarm(row, watch, seats, version, cause)
            return await self._of_canary(row, seats, version, cause)

    async def by_skill(self, session: AsyncSession, seat: tuple[int, str, int]) -> WatchRow | None:
        """A champion of another type that does this one, too, is followed here as it is there. A type that it turns
        out to be bad at goes back to the one before; the others need not. None if it is not champion here."""
        model_id, artifact_type, number = seat
        elsewhere = select(WatchRow).where(
            WatchRow.model_id == model_id, WatchRow.version == number, WatchRow.alias == CHAMPION
        )
        row = (await session.exec(elsewhere)).first()
        seats = Seats(session, await session.get_one(ModelRow, model_id), artifact_type, audit.LOOP)
        version = await seats.version(number)
        if row is None or await seats.champion(as_reading(version.reading)) is not version:
            return None
        key = (model_id, artifact_type, CHAMPION)
        own = await session.get(WatchRow, key)
        if own is None or own.version != number:
            await begin(seats, CHAMPION, version, await seats.version(row.against), self._policy)
            own = await session.get(WatchRow, key)
        return own

    async def _is_seated(self, row: WatchRow, seats: Seats, version: VersionRow) -> bool:
        if row.alias == CHAMPION:
            return await seats.champion(as_reading(version.reading)) is version
        return await seats.holder(CANARY) is version

    async def _of_canary(
        self, row: WatchRow, seats: Seats, version: VersionRow, cause: Message | None
    ) -> Iterable[Message]:
        if row.answers >= self._policy.canary_min_answers:
            lead = await self._lead(row, seats)
            if lead >= -self._policy.watch_margin:
                return await self._promote(row, seats, version, lead, cause)
        return await self._grown_old(row, seats, version, cause) if self._is_too_old(row) else ()

    async def _alarm(
        self, row: WatchRow, watch: Watch, seats: Seats, version: VersionRow, cause: Message | None
    ) -> Iterable[Message]:
        figures = await self._figures(row, watch, seats)
        reasons = _why_alarmed(row, watch, figures)
        if row.alias == CANARY:
            await end(seats, CANARY)
            await seats.set_aside(version, "rejected", "; ".join(reasons), figures=figures)
            return [judged(seats, version, "rejected", reasons, figures=figures, cause=cause)]
        predecessor = await seats.version(row.against)
        await end(seats, CHAMPION, CANARY)
        why = "; ".join(reasons)
        await seats.crown(
            predecessor,
            f"{version.name or version.version} did worse",
            loser="rolled_back",
            why_ended=why,
            figures=figures,
        )
        return [judged(seats, version, "rolled_back", reasons, figures=figures, cause=cause)]

    async def _promote(
        self, row: WatchRow, seats: Seats, version: VersionRow, lead: float, cause: Message | None
    ) -> Iterable[Message]:
        figures = await self._figures(row, restored(row.state), seats)
        reasons = [
            f"not worse than the champion over {row.answers} answers of its own",
            f"validators' quality {figures['mean']:.2f}, {lead:+.2f} against the champion over the same time",
        ]
        await end(seats, CANARY)
        was = await seats.crown(version, "; ".join(reasons), figures=figures)
        await begin(seats, CHAMPION, version, was, self._policy)
        return [judged(seats, version, "promoted", reasons, figures=figures, cause=cause)]

    async def _grown_old(
        self, row: WatchRow, seats: Seats, version: VersionRow, cause: Message | None
    ) -> Iterable[Message]:
        hours = (utc_now() - row.began_at).total_seconds() / 3600
        reason = f"{row.answers} answers in {hours:.0f} hours as a canary did not decide"
        await end(seats, CANARY)
        await seats.seat(CHALLENGER, version, reason)
        return [judged(seats, version, "challenger", [reason], cause=cause)]

    async def _lead(self, row: WatchRow, seats: Seats) -> float:
        """By how much the canary is better than the champion was since it came; where that answered nothing, than
        what was known of it then."""
        mean = row.answers_total / row.answers
        now = await live_figures.answers_of(seats.session, (row.model_id, row.artifact_type, row.against))
        count, total = now.count - row.rival["answers"], now.total - row.rival["total"]
        if count > 0:
            return mean - float(total / count)
        return 0.0 if row.rival["mean"] is None else mean - float(row.rival["mean"])

    def _is_too_old(self, row: WatchRow) -> bool:
        return (utc_now() - row.began_at).total_seconds() > self._policy.canary_max_age_s

    async def _figures(self, row: WatchRow, watch: Watch, seats: Seats) -> dict[str, Any]:
        known = await live_figures.answers_of(seats.session, (row.model_id, row.artifact_type, row.version))
        return {
            "version": row.version,
            "against": row.against,
            "answers": row.answers,
            "mean": round(row.answers_total / row.answers, 4) if row.answers else None,
            "answers_of_all_times": known.count,
            "alpha": self._policy.watch_alpha,
            "log_purse": round(watch.log_purse, 3),
            "bar": round(watch.bar(self._policy.watch_alpha), 3),
            "streams": {
                kind: {"floor": round(each.floor, 4), "lately": round(each.mean, 4), "seen": each.seen}
                for kind, each in watch.streams.items()
            },
        }


def _why_alarmed(row: WatchRow, watch: Watch, figures: dict[str, Any]) -> list[str]:
    told = {"answers": "quality of answers by the validators", "verdicts": "quality by people's verdicts"}
    lower = [
        f"{told[kind]} lately {each.mean:.2f} over {each.seen}, below the {each.floor:.2f} that version "
        f"{row.against} reached for certain"
        for kind, each in watch.streams.items()
        if each.seen and each.mean < each.floor
    ]
    sure = f"beyond doubt (error {figures['alpha']:g})"
    return [f"it does worse than version {row.against} did, {sure}", *lower]
