"""Which model answers for which artifact type, resolved to the version that its champion alias names."""

from sqlmodel import and_, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_contracts.artifacts import ArtifactType
from hone_contracts.registry import Route
from hone_registry.tables import CHAMPION, AliasRow, ModelRow, RouteRow, VersionRow


async def resolved(session: AsyncSession, tenant: str) -> dict[ArtifactType, Route]:
    """The routing table. A model that is not registered (one that Ollama serves, say) has no version of ours."""
    query = (
        select(RouteRow, VersionRow)
        .outerjoin(
            ModelRow,
            and_(col(ModelRow.tenant) == col(RouteRow.tenant), col(ModelRow.name) == col(RouteRow.model)),
        )
        .outerjoin(
            AliasRow,
            and_(
                col(AliasRow.model_id) == col(ModelRow.id),
                col(AliasRow.artifact_type) == col(RouteRow.artifact_type),
                col(AliasRow.alias) == CHAMPION,
            ),
        )
        .outerjoin(
            VersionRow,
            and_(
                col(VersionRow.model_id) == col(AliasRow.model_id),
                col(VersionRow.version) == col(AliasRow.version),
            ),
        )
        .where(RouteRow.tenant == tenant)
    )
    return {
        ArtifactType(route.artifact_type): _route(route, version)
        for route, version in (await session.exec(query)).all()
    }


def _route(row: RouteRow, version: VersionRow | None) -> Route:
    where = {}
    if version is not None:
        where = {
            "model_uri": version.uri,
            "model_sha256": version.sha256,
            "version": version.version,
        }
    settings = row.model_dump(
        include={"artifact_type", "model", "reading", "threshold", "timeout_s", "temperature"}
    )
    return Route.model_validate(settings | where)
