"""Whatever changes what routes resolve to announces each route that it changed, in its own transaction."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis import announce
from hone_chassis.database import then
from hone_contracts.ids import new_id
from hone_contracts.messages import Message
from hone_contracts.registry import Route, RouteChanged
from hone_registry import routes

Wake = Callable[[], None]


@asynccontextmanager
async def route_changes(
    session: AsyncSession, tenant: str, cause: Message | None = None, wake: Wake | None = None
) -> AsyncIterator[None]:
    """Around the change. ``wake`` is called once it is committed: whoever copies the table looks at it now."""
    before = await routes.resolved(session, tenant)
    yield
    await session.flush()
    after = await routes.resolved(session, tenant)
    changed = [key for key in sorted(before.keys() | after.keys(), key=routes.place)
               if before.get(key) != after.get(key)]  # fmt: skip
    announce(session, *(_changed(before.get(key), after.get(key), tenant, cause) for key in changed))
    if changed and wake is not None:
        then(session, wake)


def _changed(before: Route | None, after: Route | None, tenant: str, cause: Message | None) -> RouteChanged:
    route = after or before
    assert route is not None
    told = {"route": route, "removed": after is None}
    if cause is not None:
        return RouteChanged.caused_by(cause, **told)
    # A job of its own: nobody's work led to it.
    return RouteChanged.model_validate({"correlation_id": new_id("job"), "tenant": tenant, **told})
