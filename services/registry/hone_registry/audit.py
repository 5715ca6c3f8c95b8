"""Who changed what, when: written in the transaction of the change itself."""

from typing import Any

from sqlmodel.ext.asyncio.session import AsyncSession

from hone_registry.tables import AuditRow

STARTING = "hone-registry at start"
"""The actor of what happens without anyone asking."""


def record(session: AsyncSession, actor: str, action: str, subject: str, **detail: Any) -> None:
    session.add(AuditRow(actor=actor, action=action, subject=subject, detail=detail))
