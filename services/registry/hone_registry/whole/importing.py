"""The rows of the document: what is missing is added, what sits elsewhere is moved, and no version is removed."""

from dataclasses import dataclass, field
from typing import Any

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.loop_policy import LoopPolicy
from hone_registry import audit, models, release, routes, versions, watching
from hone_registry.errors import BadRegistry
from hone_registry.seats import Seats
from hone_registry.tables import (
    CANARY,
    CHALLENGER,
    CHAMPION,
    AliasRow,
    EvaluationRow,
    ModelRow,
    ReignRow,
    VersionRow,
)
from hone_registry.whole.document import AliasPart, Document, Fault, ModelPart, VersionPart

_IDENTITY = ("sha256", "method", "artifact_type", "run_id", "dataset_digest")
"""What makes a version this one: under the same number nothing else may come."""


@dataclass
class Import:
    """One import. ``changes`` has a line for each thing that changed."""

    session: AsyncSession
    tenant: str
    actor: str
    policy: LoopPolicy
    changes: list[str] = field(default_factory=list)
    _faults: list[Fault] = field(default_factory=list)

    async def apply(self, document: Document) -> None:
        """Raises BadRegistry when the registry has another version under the number of one of the document's, or when
        a route would name a model that was removed."""
        for part in document.models:
            await self._model(part)
        if self._faults:
            raise BadRegistry(self._faults)
        await self._routes(document)

    async def _model(self, part: ModelPart) -> None:
        row = await models.named(self.session, self.tenant, part.name)
        if row is None:
            await self._new_model(part)
            return
        self._released(row, part)
        for version in part.versions:
            await self._version(row, version)
        await self.session.flush()
        if self._faults:
            return
        for alias in sorted(part.aliases, key=lambda each: each.alias != CHAMPION):
            await self._alias(row, alias)
        await self._empty_seats(row, part)
        await self._states(row, part)
        await self._evaluations(row, part)

    async def _new_model(self, part: ModelPart) -> None:
        row = ModelRow(
            tenant=self.tenant,
            name=part.name,
            description=part.description,
            reading=part.reading,
            created_at=part.created_at,
            released_at=part.released_at,
        )
        self.session.add(row)
        await self.session.flush()
        self._changed(f"model:{part.name}", f"{part.name}: new")
        for version in part.versions:
            await self._version(row, version)
        await self.session.flush()
        self.session.add_all(_row(AliasRow, row, each) for each in part.aliases)
        for reign in part.champions:
            self.session.add(_row(ReignRow, row, reign))
            await self.session.flush()  # their order is that of their numbers
        await self._evaluations(row, part)

    def _released(self, row: ModelRow, part: ModelPart) -> None:
        if (row.released_at is None) != (part.released_at is None):
            became = "there again" if part.released_at is None else "removed"
            self._changed(f"model:{row.name}", f"{row.name}: {became}")
            row.released_at = part.released_at

    async def _version(self, model: ModelRow, part: VersionPart) -> None:
        where = f"{model.name}@{part.version}"
        row = await self.session.get(VersionRow, (model.id, part.version))
        other = None if part.run_id is None else await versions.of_run(self.session, part.run_id)
        if other is not None and other is not row:
            self._faults.append((where, f"its run made version {other.version} of a model here"))
        elif row is None:
            self.session.add(_row(VersionRow, model, part))
            self._changed(f"model:{where}", f"{where}: new, {part.name or 'without a name'}")
        elif different := [
            each for each in _IDENTITY if (getattr(row, each) or "") != (getattr(part, each) or "")
        ]:
            self._faults.append(
                (where, f"another version has this number here: {', '.join(different)} differ")
            )
        elif row.uri != part.uri:
            self._changed(f"model:{where}", f"{where}: its file is {part.uri}, was {row.uri}")
            row.uri = part.uri

    async def _alias(self, model: ModelRow, part: AliasPart) -> None:
        seats = Seats(self.session, model, part.artifact_type.value, self.actor)
        held = await self.session.get(AliasRow, (model.id, part.artifact_type.value, part.alias))
        if held is not None and (held.version, held.share) == (part.version, part.share):
            return
        version, why = await seats.version(part.version), f"imported by {self.actor}"
        was = "none" if held is None else held.version
        self.changes.append(
            f"{part.alias} of {model.name} for {part.artifact_type}: {part.version}, was {was}"
        )
        if part.alias == CHAMPION:
            before = await seats.crown(version, why)
            await watching.begin(seats, CHAMPION, version, before, self.policy)
            return
        await seats.seat(part.alias, version, why, share=part.share)
        if part.alias == CANARY:
            champion = await seats.holder(CHAMPION)
            await watching.begin(seats, CANARY, version, champion, self.policy)

    async def _empty_seats(self, model: ModelRow, part: ModelPart) -> None:
        """A champion stays where the document has none; a canary or challenger does not."""
        named = {(each.artifact_type.value, each.alias) for each in part.aliases}
        query = select(AliasRow).where(AliasRow.model_id == model.id)
        for row in (await self.session.exec(query)).all():
            if row.alias != CHAMPION and (row.artifact_type, row.alias) not in named:
                self._changed(f"model:{model.name}@{row.version}", f"{model.name}: no {row.alias} any more")
                version = await self.session.get_one(VersionRow, (model.id, row.version))
                await self.session.delete(row)
                if row.alias == CANARY:
                    version.state, version.reason = CHALLENGER, f"imported by {self.actor}"
        await self.session.flush()

    async def _states(self, model: ModelRow, part: ModelPart) -> None:
        """What the aliases leave open."""
        query = select(AliasRow.version).where(AliasRow.model_id == model.id)
        seated = set((await self.session.exec(query)).all())
        for told in part.versions:
            row = await self.session.get_one(VersionRow, (model.id, told.version))
            if row.version not in seated and told.state not in (CHAMPION, CANARY) and row.state != told.state:
                where = f"{model.name}@{row.version}"
                self._changed(f"model:{where}", f"{where}: {told.state}, was {row.state}")
                row.state, row.reason = told.state, told.reason

    async def _evaluations(self, model: ModelRow, part: ModelPart) -> None:
        query = select(EvaluationRow).where(EvaluationRow.model_id == model.id)
        known = {(row.challenger, row.created_at) for row in (await self.session.exec(query)).all()}
        for each in part.evaluations:
            if (each.challenger, each.created_at) not in known:
                self.session.add(_row(EvaluationRow, model, each))
                where = f"{model.name}@{each.challenger}"
                self._changed(f"model:{where}", f"{where}: an evaluation, {each.verdict}")
                await self.session.flush()

    async def _routes(self, document: Document) -> None:
        there = {row.artifact_type: row for row in await routes.rows(self.session, self.tenant)}
        for part in document.routes:
            row = routes.row_of(self.tenant, part.settings, part.set_by)
            was = there.get(row.artifact_type)
            if routes.content_of(was) != routes.content_of(row):
                line = f"route {row.artifact_type}: {part.settings.model}" + ("" if was else ", new")
                self._changed(f"route:{row.artifact_type}", line)
                await self.session.merge(row)
        await self.session.flush()
        query = select(ModelRow.name).where(
            ModelRow.tenant == self.tenant, col(ModelRow.released_at).is_not(None)
        )
        removed = (await self.session.exec(query)).all()
        used = await release.used_by(self.session, self.tenant, removed)
        if used:
            raise BadRegistry(
                [(f"route {key}", f"{name} was removed") for name in used for key in used[name]]
            )

    def _changed(self, subject: str, line: str) -> None:
        self.changes.append(line)
        audit.record(self.session, self.actor, "imported", subject, tenant=self.tenant, change=line)


def _row(table: Any, model: ModelRow, part: Any) -> Any:
    """Columns of type JSON hold plain values."""
    values = {
        name: value if name.endswith("_at") else part.model_dump(mode="json", include={name})[name]
        for name, value in dict(part).items()
    }
    return table(model_id=model.id, **values)
