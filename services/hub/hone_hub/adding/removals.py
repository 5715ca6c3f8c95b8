"""Works on ``RemoveModel``: away from routes' reach first, then from who serves it, then from the disk."""

from collections.abc import Awaitable, Callable

from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis import Outcome, ProgressPublisher, RemoteError, Transient
from hone_chassis.cancellations import Cancellations, JobWasCancelled
from hone_chassis.database import Database
from hone_contracts.errors import ErrorBody
from hone_contracts.hub_models import ModelReleased, ModelRemoved, ReleaseModel, RemovalFailed, RemoveModel
from hone_hub.adding import tables
from hone_hub.adding.errors import NoSuchAddedModel
from hone_hub.adding.holding import Holding
from hone_hub.adding.tables import AddedModelRow
from hone_hub.adding.used import Tidying, Used
from hone_hub.deploy.models.deployer import ModelDeployer
from hone_hub.error_bodies import body_of
from hone_hub.errors import HubError

Release = Callable[[ReleaseModel], Awaitable[ModelReleased]]
"""Asks the registry. Raises RemoteError, ServiceUnavailable."""


class Removals:
    def __init__(
        self,
        *,
        database: Database,
        release: Release,
        deployer: ModelDeployer,
        tidying: Tidying,
        holding: Holding,
        cancellations: Cancellations,
        max_deliver: int,
    ) -> None:
        self._database, self._release, self._deployer = database, release, deployer
        self._tidying, self._holding = tidying, holding
        self._cancellations, self._max_deliver = cancellations, max_deliver

    async def remove(self, order: RemoveModel, progress: ProgressPublisher) -> Outcome:
        try:
            async with self._cancellations.interruptible(order.correlation_id):
                pass  # once it has begun it is done to the end: half a model is of no use
            row = await self._row(order)
            async with self._holding.alone(("name", order.tenant, row.name)):
                return await self._removed(order, progress)
        except JobWasCancelled:
            return Outcome()
        except RemoteError as error:
            why = error.body
        except HubError as error:
            why = body_of(error)
        return self._failed(order, why, progress.attempt)

    async def _removed(self, order: RemoveModel, progress: ProgressPublisher) -> Outcome:
        row = await self._row(order)
        told, used = row.told, Used.model_validate(row.used)
        if told.references:
            await progress("release", told.name)
            await self._release(
                ReleaseModel(tenant=order.tenant, references=told.references, actor="hone hub rm")
            )
        freed = 0
        for reference in told.references:
            await progress("remove", reference)
            freed += await self._deployer.remove(reference)
        kept_no_more = used.model_copy(update={"keep_download": False, "keep_converted": False})
        freed += await self._tidying.remove(kept_no_more, await self._others(row))

        async def write(session: AsyncSession) -> None:
            there = await session.get(AddedModelRow, (row.tenant, row.name))
            if there is not None:
                await session.delete(there)

        gone = ModelRemoved.caused_by(order, name=told.name, references=told.references, freed_bytes=freed)
        return Outcome([gone], write)

    async def _row(self, order: RemoveModel) -> AddedModelRow:
        """Raises NoSuchAddedModel."""
        async with self._database.read() as session:
            row = await tables.called(session, order.tenant, order.name)
            if row is None:
                known = [each.name for each in await tables.every(session, order.tenant)]
                raise NoSuchAddedModel(order.name, known)
            return row

    async def _others(self, row: AddedModelRow) -> list[Used]:
        async with self._database.read() as session:
            rows = await tables.every(session)
        own = (row.tenant, row.name)
        return [Used.model_validate(each.used) for each in rows if (each.tenant, each.name) != own]

    def _failed(self, order: RemoveModel, why: ErrorBody, attempt: int) -> Outcome:
        if why.transient and attempt < self._max_deliver:
            raise Transient(why.code, why.title, why.detail, why.status, why.fields)
        return Outcome([RemovalFailed.caused_by(order, error=why)])
