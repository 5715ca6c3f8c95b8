"""The seats of a model for one artifact type: who is champion, canary and challenger of it, and who was champion.

Every change of a seat goes through here, so that alias, state, history and audit trail tell the same."""

from dataclasses import dataclass
from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.tables import utc_now
from hone_contracts.registry import Reading
from hone_registry import audit
from hone_registry.standings import as_reading, standings
from hone_registry.tables import (
    CANARY,
    CHALLENGER,
    CHAMPION,
    Alias,
    AliasRow,
    ModelRow,
    ReignRow,
    State,
    VersionRow,
)


@dataclass(frozen=True)
class Seats:
    """Of ``model`` for ``artifact_type``, changed by ``actor``."""

    session: AsyncSession
    model: ModelRow
    artifact_type: str
    actor: str

    @property
    def model_id(self) -> int:
        assert self.model.id is not None
        return self.model.id

    async def champion(self, reading: Reading | None = None) -> VersionRow | None:
        """Who answers now, by alias or by what follows where there is none."""
        known = await standings(self.session, self.model.tenant, [self.model.name])
        standing = known.get(self.model.name)
        as_read = reading or as_reading(self.model.reading)
        return None if standing is None else standing.champion(self.artifact_type, as_read)

    async def holder(self, alias: Alias) -> VersionRow | None:
        row = await self._alias(alias)
        return None if row is None else await self.version(row.version)

    async def version(self, number: int) -> VersionRow:
        return await self.session.get_one(VersionRow, (self.model_id, number))

    async def crown(
        self, version: VersionRow, why: str, *, loser: State = "retired", why_ended: str = "", **detail: Any
    ) -> VersionRow | None:
        """``version`` is champion from now on; the one that was becomes a ``loser``. Gives the one that was."""
        was = await self.champion(as_reading(version.reading))
        if was is not None and was.version == version.version:
            was = None
        await self._end_reign(was, why_ended or f"{_called(version)} took over: {why}")
        canary = await self.holder(CANARY)
        if canary is not None and canary.version != version.version:
            # It was proven against another champion: it answers nobody until it is proven again.
            await self.seat(CHALLENGER, canary, f"the champion changed to {_called(version)}")
        await self.leave(version)
        await self._put(CHAMPION, version)
        self.session.add(
            ReignRow(
                model_id=self.model_id, artifact_type=self.artifact_type, version=version.version, why=why
            )
        )
        version.state, version.reason = "champion", why
        await self.session.flush()
        if was is not None and not await self._is_champion_elsewhere(was):
            was.state, was.reason = loser, why_ended or f"{_called(version)} took over"
        action = "rolled back" if loser == "rolled_back" else "promoted"
        self._record(action, version, alias=CHAMPION, was=was and was.version, why=why, **detail)
        return was

    async def seat(
        self, alias: Alias, version: VersionRow, why: str, *, share: float | None = None, **detail: Any
    ) -> VersionRow | None:
        """Give ``version`` the alias, and the state of that name. Gives the one that had it."""
        had = await self.holder(alias)
        await self.leave(version)
        await self._put(alias, version, share)
        version.state, version.reason = alias, why
        was = None if had is None or had.version == version.version else had
        self._record(f"made {alias}", version, was=was and was.version, share=share, why=why, **detail)
        return was

    async def leave(self, version: VersionRow) -> None:
        """``version`` is neither canary nor challenger any more."""
        for alias in (CANARY, CHALLENGER):
            row = await self._alias(alias)
            if row is not None and row.version == version.version:
                await self.session.delete(row)
        await self.session.flush()

    async def set_aside(self, version: VersionRow, state: State, why: str, **detail: Any) -> None:
        """``version`` is out, for the reason that ``state`` names."""
        await self.leave(version)
        version.state, version.reason = state, why
        self._record(state.replace("_", " "), version, why=why, **detail)

    async def earlier_champions(self, most: int) -> list[VersionRow]:
        """The last that were champion before the one that is, newest first, each once."""
        current = await self.champion()
        query = (
            select(ReignRow.version)
            .where(
                ReignRow.model_id == self.model_id,
                ReignRow.artifact_type == self.artifact_type,
                col(ReignRow.ended_at).is_not(None),
            )
            .order_by(col(ReignRow.id).desc())
            .limit(most * 20)
        )
        ended = dict.fromkeys((await self.session.exec(query)).all())
        numbers = [each for each in ended if current is None or each != current.version]
        return [await self.version(number) for number in numbers[:most]]

    async def _alias(self, alias: Alias) -> AliasRow | None:
        return await self.session.get(AliasRow, (self.model_id, self.artifact_type, alias))

    async def _put(self, alias: Alias, version: VersionRow, share: float | None = None) -> None:
        row = await self._alias(alias)
        if row is None:
            row = AliasRow(
                model_id=self.model_id,
                artifact_type=self.artifact_type,
                alias=alias,
                version=version.version,
            )
            self.session.add(row)
        row.version, row.share, row.moved_at = version.version, share, utc_now()

    async def _end_reign(self, was: VersionRow | None, why: str) -> None:
        """A champion that no alias named has its part in the history, too."""
        open_reign = select(ReignRow).where(
            ReignRow.model_id == self.model_id,
            ReignRow.artifact_type == self.artifact_type,
            col(ReignRow.ended_at).is_(None),
        )
        row = (await self.session.exec(open_reign)).first()
        if row is None and was is not None:
            row = ReignRow(
                model_id=self.model_id,
                artifact_type=self.artifact_type,
                version=was.version,
                began_at=was.created_at,
                why="it answered where no version of this type was",
            )
        if row is not None:
            row.ended_at, row.why_ended = utc_now(), why
            self.session.add(row)
            await self.session.flush()

    async def _is_champion_elsewhere(self, version: VersionRow) -> bool:
        query = select(AliasRow.version).where(
            AliasRow.model_id == self.model_id,
            AliasRow.alias == CHAMPION,
            AliasRow.version == version.version,
        )
        return (await self.session.exec(query)).first() is not None

    def _record(self, action: str, version: VersionRow, **detail: Any) -> None:
        audit.record(
            self.session,
            self.actor,
            action,
            f"model:{self.model.name}@{version.version}",
            tenant=self.model.tenant,
            artifact_type=self.artifact_type,
            **detail,
        )


def _called(version: VersionRow) -> str:
    return version.name or f"version {version.version}"
