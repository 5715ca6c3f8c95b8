"""Which version of a model answers for which artifact type: what its aliases say, and what follows where they say
nothing."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_contracts.registry import CanaryVersion, PromptVersion, Reading, ServedVersion
from hone_registry.tables import CANARY, CHAMPION, AliasRow, ModelRow, VersionRow


@dataclass
class Standing:
    """Of one model; ``champions`` and ``canaries`` by artifact type."""

    champions: dict[str, VersionRow] = field(default_factory=dict)
    canaries: dict[str, tuple[VersionRow, float]] = field(default_factory=dict)
    as_it_is: VersionRow | None = None
    """The newest that was not trained here."""

    def champion(self, artifact_type: str, reading: Reading) -> VersionRow | None:
        """The champion of the type. A model without one of this type does it by the same skill as another type, the
        newest of those champions, if that is what its weights are good for; or else as it is."""
        own = self.champions.get(artifact_type)
        if own is not None:
            return own
        by_skill = (each for each in self.champions.values() if _has_the_skill(each, reading))
        return max(by_skill, key=lambda each: each.version, default=self.as_it_is)


def _has_the_skill(version: VersionRow, reading: Reading) -> bool:
    """Examples are of one type, and so is what a general model's weights were trained on. Models that read passages
    find facts, which make any type."""
    return version.prompt is None and (version.method is None or reading == "passages")


async def standings(session: AsyncSession, tenant: str, names: Iterable[str]) -> dict[str, Standing]:
    """Of each of the models that is registered. Two queries, however many there are."""
    wanted = ModelRow.tenant == tenant, col(ModelRow.name).in_(names)
    found: dict[str, Standing] = {}
    untrained = (
        select(ModelRow.name, VersionRow)
        .join(VersionRow, col(VersionRow.model_id) == col(ModelRow.id))
        .where(*wanted, col(VersionRow.method).is_(None), VersionRow.state != "planned")
        .order_by(col(VersionRow.version))
    )
    for name, version in (await session.exec(untrained)).all():
        found.setdefault(name, Standing()).as_it_is = version
    aliased = (
        select(ModelRow.name, AliasRow, VersionRow)
        .join(AliasRow, col(AliasRow.model_id) == col(ModelRow.id))
        .join(
            VersionRow,
            (col(VersionRow.model_id) == col(AliasRow.model_id))
            & (col(VersionRow.version) == col(AliasRow.version)),
        )
        .where(*wanted, col(AliasRow.alias).in_((CHAMPION, CANARY)))
    )
    for name, alias, version in (await session.exec(aliased)).all():
        standing = found.setdefault(name, Standing())
        if alias.alias == CHAMPION:
            standing.champions[alias.artifact_type] = version
        elif alias.share:
            standing.canaries[alias.artifact_type] = version, alias.share
    return found


def served(version: VersionRow) -> ServedVersion:
    """How the generator asks for it."""
    return ServedVersion(
        model_uri=version.uri or None,
        model_sha256=version.sha256 or None,
        version=version.version,
        served_by=version.served_by,
        prompt=None if version.prompt is None else PromptVersion.model_validate(version.prompt),
    )


def as_canary(version: VersionRow, share: float) -> CanaryVersion:
    return CanaryVersion(**dict(served(version)), share=share)


def as_reading(text: str) -> Reading:
    """Of a row, which was written from one."""
    return text  # type: ignore[return-value]
