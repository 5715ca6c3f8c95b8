"""Answers ExportRegistry and ImportRegistry."""

import asyncio
from collections.abc import Awaitable, Callable

from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis.database import Database
from hone_chassis.logs import get_logger
from hone_chassis.loop_policy import LoopPolicy
from hone_contracts.registry import ExportRegistry, ImportRegistry, RegistryImported, RegistryText
from hone_registry.errors import TooLargeToTell
from hone_registry.route_changes import route_changes
from hone_registry.turns import one_at_a_time
from hone_registry.whole import text
from hone_registry.whole.document import Document
from hone_registry.whole.exporting import document_of
from hone_registry.whole.importing import Import

log = get_logger(__name__)

_PUBLISHED_WITHIN_S = 10.0


class WholeRegistry:
    def __init__(
        self, database: Database, policy: LoopPolicy, published: Callable[[float], Awaitable[bool]]
    ) -> None:
        self._database, self._policy, self._published = database, policy, published

    async def export(self, question: ExportRegistry) -> RegistryText:
        """Raises TooLargeToTell."""
        async with self._database.read() as session:
            document = await document_of(session, question.tenant)
        written = await asyncio.to_thread(text.written, document)
        size = len(written.encode())
        if size > text.MOST_BYTES:
            raise TooLargeToTell(size, text.MOST_BYTES)
        return RegistryText(text=written)

    async def take(self, question: ImportRegistry) -> RegistryImported:
        """Raises BadRegistry."""
        document = await asyncio.to_thread(text.read, question.text)
        try:
            async with self._database.write() as session:
                changes = await self._applied(session, question, document)
                if question.dry_run:
                    raise _TakeBack(changes)
        except _TakeBack as undone:
            return RegistryImported(dry_run=True, changes=undone.changes)
        if changes and not await self._published(_PUBLISHED_WITHIN_S):
            log.warning("the registry is imported, but the broker does not know yet", changes=len(changes))
        return RegistryImported(dry_run=False, changes=changes)

    async def _applied(
        self, session: AsyncSession, question: ImportRegistry, document: Document
    ) -> tuple[str, ...]:
        await one_at_a_time(session, self._database)
        work = Import(session, question.tenant, question.actor, self._policy)
        async with route_changes(session, question.tenant):
            await work.apply(document)
        return tuple(work.changes)


class _TakeBack(Exception):
    """Undoes the transaction of a dry run."""

    def __init__(self, changes: tuple[str, ...]) -> None:
        super().__init__("a dry run")
        self.changes = changes
