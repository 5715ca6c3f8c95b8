"""Files that nobody needs any more: the weights of runs that have ended. The hub has made its own of them by then."""

import asyncio
import shutil
from pathlib import Path

from sqlalchemy import select

from hone_chassis.database import Database
from hone_chassis.logs import get_logger
from hone_trainer.runs.book import NOT_ENDED, RUNS

log = get_logger(__name__)


async def tidy(database: Database, root: Path) -> None:
    """Of runs that have ended their settings, figures and lessons stay; the weights go."""
    folders = await asyncio.to_thread(_with_weights, root)
    if not folders:
        return
    query = select(RUNS.c.id).where(RUNS.c.id.in_({run_id for run_id, _ in folders}), NOT_ENDED)
    async with database.read() as session:
        going_on = {str(row[0]) for row in await (await session.connection()).execute(query)}
    for run_id, weights in folders:
        if run_id not in going_on:
            await asyncio.to_thread(shutil.rmtree, weights, ignore_errors=True)
            log.info("weights of an ended run removed", run_id=run_id)


def _with_weights(root: Path) -> list[tuple[str, Path]]:
    """What is left behind, but for adapters: they are small, and the next run learns on with them."""
    patterns = (
        "worker-*/out/hf",
        "worker-*/out/merged",
        "worker-*/base",
        "worker-*/out/parity",
        "checkpoints",
    )
    return [
        (weights.relative_to(root).parts[0], weights)
        for pattern in patterns
        for weights in root.glob(f"*/{pattern}")
    ]
