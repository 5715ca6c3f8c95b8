"""An artifact that feedback is about, with what it was asked from."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.tables import table_of
from hone_contracts.artifacts import ArtifactType
from hone_contracts.feedback import Answered
from hone_gateway.tables import ArtifactRow, RequestRow

_ARTIFACTS, _REQUESTS = table_of(ArtifactRow), table_of(RequestRow)
_OF_ARTIFACT = [
    _ARTIFACTS.c[name] for name in ("id", "tenant", "job_id", "type", "model", "version", "score", "document")
]
_OF_REQUEST = [_REQUESTS.c[name] for name in ("requirements", "context_text", "options")]
_FOUND = select(*_OF_ARTIFACT, *_OF_REQUEST).join_from(
    _ARTIFACTS, _REQUESTS, _ARTIFACTS.c.job_id == _REQUESTS.c.job_id, isouter=True
)


@dataclass(frozen=True)
class Asked:
    """``requirements`` is None where an older version kept none."""

    id: str
    tenant: str
    job_id: str
    type: ArtifactType
    model: str
    version: int | None
    score: int
    document: str
    requirements: str | None
    context_text: str | None
    options: Mapping[str, str] | None

    @property
    def content(self) -> str:
        return str(json.loads(self.document)["content"])

    def answered(self) -> Answered | None:
        """None where nothing can be learned, as the question is not known."""
        if self.requirements is None:
            return None
        told = json.loads(self.document)
        return Answered(
            artifact_id=self.id,
            artifact_type=self.type,
            requirements=self.requirements,
            context_text=self.context_text,
            options=dict(self.options or {}),
            content=told["content"],
            evidence=told["evidence"],
            score=self.score,
            model=self.model,
            version=self.version,
        )


async def find(session: AsyncSession, artifacts: Collection[str], *, lock: bool = False) -> dict[str, Asked]:
    """By id, of whatever tenant. ``lock``: nobody else writes a word on them until the transaction ends."""
    query = _FOUND.where(_ARTIFACTS.c.id.in_(artifacts))
    if lock:  # in one order, so that nobody waits for each other; SQLite has one writer at a time anyway
        query = query.order_by(_ARTIFACTS.c.id).with_for_update(of=_ARTIFACTS)
    rows = await (await session.connection()).execute(query)
    found = (Asked(*row) for row in rows)
    return {each.id: each for each in found}
