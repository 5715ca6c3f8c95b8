"""What can be looked up: evaluations and the audit trail, newest first."""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_contracts.registry import (
    AuditEntry,
    AuditTrail,
    Evaluation,
    Evaluations,
    ListAudit,
    ListEvaluations,
)
from hone_registry import models, versions
from hone_registry.tables import AuditRow, EvaluationRow

_MOST_BYTES = 700_000
"""Of one answer: the broker carries 1 MB."""


async def evaluations(session: AsyncSession, question: ListEvaluations) -> Evaluations:
    """Raises NoSuchModel, NoSuchVersion."""
    model = await models.known(session, question.tenant, question.name)
    query = select(EvaluationRow).where(EvaluationRow.model_id == model.id)
    if question.version is not None:
        version = await versions.found(session, model, question.version)
        query = query.where(EvaluationRow.challenger == version.version)
    rows = await session.exec(query.order_by(col(EvaluationRow.id).desc()).limit(question.limit))
    return Evaluations(
        evaluations=tuple(
            Evaluation(model=model.name, **row.model_dump(exclude={"id", "model_id", "pairs"}))
            for row in rows.all()
        )
    )


async def audit(session: AsyncSession, question: ListAudit) -> AuditTrail:
    """As many as fit into one answer."""
    query = select(AuditRow).where(AuditRow.tenant == question.tenant)
    if question.subject_prefix is not None:
        query = query.where(col(AuditRow.subject).startswith(question.subject_prefix, autoescape=True))
    if question.before is not None:
        query = query.where(col(AuditRow.id) < question.before)
    rows = (await session.exec(query.order_by(col(AuditRow.id).desc()).limit(question.limit))).all()
    entries: list[AuditEntry] = []
    size = 0
    for row in rows:
        entry = AuditEntry.model_validate(row.model_dump(exclude={"tenant"}))
        size += len(entry.model_dump_json())
        if entries and size > _MOST_BYTES:
            break
        entries.append(entry)
    return AuditTrail(entries=tuple(entries))
