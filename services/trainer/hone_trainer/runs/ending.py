"""How a run ends, and what becomes of its examples.

A run that came to nothing gives its examples back: it is rarely their fault (a worker without packages, a provider
that was away), and people gave them. But not for ever: after ``tries`` such runs they are set aside. One whose
version was judged has used them, whatever the verdict; with a version that was worse (``rejected``, or later
``rolled_back``) they go out of the replay, too, for they may be what made it worse.
"""

from typing import Any

from sqlalchemy.engine import RowMapping
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_contracts.errors import ErrorBody
from hone_contracts.evaluation import VersionJudged
from hone_trainer.pool import claims
from hone_trainer.pool.tally import Tally
from hone_trainer.runs import book

_WORSE = ("rejected", "rolled_back")


async def failed(
    session: AsyncSession, run: RowMapping, error: ErrorBody, tries: int, bad: dict[str, str] | None = None
) -> bool:
    """``bad``: examples that are to blame, by id with the reason. False when the run had ended before."""
    return await _without_version(session, run, "failed", tries, error=error, bad=bad)


async def cancelled(session: AsyncSession, run: RowMapping, tries: int) -> bool:
    return await _without_version(session, run, "cancelled", tries)


async def _without_version(
    session: AsyncSession,
    run: RowMapping,
    state: str,
    tries: int,
    *,
    error: ErrorBody | None = None,
    bad: dict[str, str] | None = None,
) -> bool:
    tally = await Tally.held(session, run["tenant"], run["artifact_type"])
    if await book.end(session, run["id"], state, error) is None:
        return False
    if bad:
        await claims.take_out(tally, bad)
    await claims.give_back(tally, run["batch"], tries)
    await tally.write()
    return True


async def judged(session: AsyncSession, run: RowMapping, verdict: VersionJudged) -> None:
    """The first verdict ends the run; a later one (a canary that was promoted, a champion rolled back) is noted."""
    tally = await Tally.held(session, run["tenant"], run["artifact_type"])
    told: dict[str, Any] = {"verdict": verdict.verdict, "reasons": list(verdict.reasons)}
    figures = {**run["figures"], "evaluation": verdict.figures} if verdict.figures else run["figures"]
    ended = await book.end(session, run["id"], "succeeded", None, **told, figures=figures)
    if ended is not None:
        await claims.settle(tally, run["batch"], "rejected" if verdict.verdict in _WORSE else "used")
    elif run["state"] == "succeeded":
        await book.note(session, run["id"], **told)
        if verdict.verdict in _WORSE:
            await claims.out_of_replay(tally, run["batch"])
    await tally.write()
