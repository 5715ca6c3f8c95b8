"""Who changed what, when: written in the transaction of the change itself."""

from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from hone_contracts.messages import DEFAULT_TENANT
from hone_registry.tables import AuditRow

STARTING = "hone-registry at start"
LOOP = "hone-registry"
"""The actors of what happens without anyone asking: at start, and by the learning loop."""


def record(
    session: AsyncSession,
    actor: str,
    action: str,
    subject: str,
    *,
    tenant: str = DEFAULT_TENANT,
    **detail: Any,
) -> None:
    session.add(AuditRow(tenant=tenant, actor=actor, action=action, subject=subject, detail=detail))
