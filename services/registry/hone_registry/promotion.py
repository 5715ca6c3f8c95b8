"""By hand: a version made champion, or the champion's predecessor taken back. One short transaction each; files,
models in memory and datasets are left as they are."""

from collections.abc import Awaitable, Callable

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis import announce
from hone_chassis.database import Database
from hone_chassis.logs import get_logger
from hone_chassis.loop_policy import LoopPolicy
from hone_contracts.artifacts import ArtifactType
from hone_contracts.registry import AliasMoved, PromoteVersion, RollBack
from hone_registry import models, versions, watching
from hone_registry.errors import NotDeployed, NothingToRollBackTo, WhichType
from hone_registry.judged import judged
from hone_registry.route_changes import route_changes
from hone_registry.seats import Seats
from hone_registry.standings import as_reading
from hone_registry.tables import CANARY, CHAMPION, AliasRow, ModelRow, VersionRow
from hone_registry.turns import one_at_a_time

log = get_logger(__name__)

_PUBLISHED_WITHIN_S = 10.0


class ByHand:
    """Answers PromoteVersion and RollBack. ``published`` waits, so many seconds at most, until the broker's copy of
    the routes is new."""

    def __init__(
        self, database: Database, policy: LoopPolicy, published: Callable[[float], Awaitable[bool]]
    ) -> None:
        self._database, self._policy, self._published = database, policy, published

    async def promote(self, question: PromoteVersion) -> AliasMoved:
        """Raises NoSuchModel, NoSuchVersion, NotDeployed, WhichType."""
        async with self._database.write() as session:
            await one_at_a_time(session, self._database)
            model = await models.known(session, question.tenant, question.name)
            version = await versions.found(session, model, question.version)
            if version.state in ("planned", "failed") or _was_replaced(version):
                raise NotDeployed(model.name, version.name or str(version.version), version.reason)
            chosen = question.artifact_type or version.artifact_type
            artifact_type = chosen or await _only_type(session, model)
            seats = Seats(session, model, ArtifactType(artifact_type).value, question.actor)
            was = await self._crowned(seats, version, f"promoted by {question.actor}")
        return await self._answer(seats, version, was, ())

    async def roll_back(self, question: RollBack) -> AliasMoved:
        """Raises NoSuchModel, NoSuchVersion, NothingToRollBackTo, WhichType."""
        async with self._database.write() as session:
            await one_at_a_time(session, self._database)
            model = await models.known(session, question.tenant, question.name)
            artifact_type = question.artifact_type or await _only_type(session, model)
            seats = Seats(session, model, ArtifactType(artifact_type).value, question.actor)
            earlier = await self._earlier(seats, question)
            reasons = (question.reason, f"rolled back by {question.actor}")
            async with route_changes(session, question.tenant):
                await watching.end(seats, CHAMPION, CANARY)
                was = await seats.crown(
                    earlier, question.reason, loser="rolled_back", why_ended="; ".join(reasons)
                )
            if was is not None:
                announce(session, judged(seats, was, "rolled_back", reasons))
        return await self._answer(seats, earlier, was, reasons)

    async def _crowned(self, seats: Seats, version: VersionRow, why: str) -> VersionRow | None:
        """Champion already: nothing changes."""
        champion = await seats.champion(as_reading(version.reading))
        if champion is not None and champion.version == version.version:
            return champion
        async with route_changes(seats.session, seats.model.tenant):
            await watching.end(seats, CANARY)
            was = await seats.crown(version, why)
            await watching.begin(seats, CHAMPION, version, was, self._policy)
        announce(seats.session, judged(seats, version, "promoted", (why,)))
        return was

    async def _earlier(self, seats: Seats, question: RollBack) -> VersionRow:
        """The champion before the one that is; one that was taken back itself only by its name."""
        earlier = [
            each
            for each in await seats.earlier_champions(self._policy.keep_champions)
            if not _was_replaced(each)
        ]
        possible = [each.name or str(each.version) for each in earlier]
        if question.to is None:
            for each in earlier:
                if each.state != "rolled_back":
                    return each
        else:
            wanted = await versions.found(seats.session, seats.model, question.to)
            if wanted in earlier:
                return wanted
        raise NothingToRollBackTo(seats.model.name, seats.artifact_type, question.to, possible)

    async def _answer(
        self, seats: Seats, champion: VersionRow, was: VersionRow | None, reasons: tuple[str, ...]
    ) -> AliasMoved:
        # Whoever has this answer may ask for an artifact, and expects the version.
        if not await self._published(_PUBLISHED_WITHIN_S):
            log.warning("the champion changed, but the broker does not know yet", model=seats.model.name)
        return AliasMoved(
            model=seats.model.name,
            artifact_type=ArtifactType(seats.artifact_type),
            champion=champion.version,
            champion_name=champion.name,
            was=None if was is None else was.version,
            reasons=reasons,
        )


def _was_replaced(version: VersionRow) -> bool:
    """Its provider has something else under its name."""
    return version.state == "superseded" and version.method is None


async def _only_type(session: AsyncSession, model: ModelRow) -> str:
    """The one that the model has a champion for. Raises WhichType."""
    query = (
        select(AliasRow.artifact_type)
        .where(AliasRow.model_id == model.id, AliasRow.alias == CHAMPION)
        .order_by(col(AliasRow.artifact_type))
    )
    types = (await session.exec(query)).all()
    if len(types) != 1:
        raise WhichType(model.name, types)
    return types[0]
