"""Answers ``SteerTraining``: a run is paused, goes on, or ends early with what it has learned.

The row says at once what is wanted; the worker that has the run looks at it every second. So nothing is lost when
that worker is dead, and a paused run stays paused whatever is started anew.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Never

from nats.aio.client import Client
from sqlalchemy.engine import RowMapping
from sqlmodel.ext.asyncio.session import AsyncSession

from hone_chassis import announce
from hone_chassis.broker import BROKER_TROUBLE
from hone_chassis.database import Database
from hone_chassis.logs import get_logger
from hone_contracts import subjects
from hone_contracts.messages import JobProgressed
from hone_contracts.pool import Run
from hone_contracts.training import SteerTraining
from hone_trainer.errors import NoSuchRun, NotSteerable, RunEnded
from hone_trainer.runs import book, workers
from hone_trainer.runs.holding import CHECKPOINTING
from hone_trainer.runs.placing import command_for, place_for

log = get_logger(__name__)

_PER_ATTEMPT = 1_000_000  # as ProgressPublisher counts
_AFTER_THE_WORKERS = 900_000


@dataclass(frozen=True)
class Steering:
    database: Database
    client: Callable[[], Client]

    async def answer(self, question: SteerTraining) -> Run:
        """Raises NoSuchRun, RunEnded, NotSteerable. What is so already is no error."""
        does = {"pause": _pause, "resume": _resume, "stop": _stop}[question.action]
        async with self.database.write() as session:
            run = await book.find(session, question.run_id)
            if run is None or run["tenant"] != question.tenant:
                raise NoSuchRun(question.run_id)
            if run["finished_at"] is not None:
                raise RunEnded(run["id"], run["state"])
            after = await does(session, run)
        if after["state"] != run["state"]:
            log.info("a run is steered", run_id=run["id"], action=question.action, state=after["state"])
            await self._tell(after)
        return book.shown(after)

    async def _tell(self, run: RowMapping) -> None:
        """Whoever watches sees it now, and not what the worker still says while it lets go."""
        go_on = f"`hone jobs resume {run['id']}` goes on with it"
        message = go_on if run["state"] == "paused" else "waits for a worker"
        told = JobProgressed(
            correlation_id=run["id"],
            tenant=run["tenant"],
            sequence=run["attempt"] * _PER_ATTEMPT + _AFTER_THE_WORKERS + run["fence"],
            attempt=run["attempt"],
            stage=run["state"],
            message=message,
        )
        try:
            await self.client().publish(subjects.progress(run["id"]), told.model_dump_json().encode())
        except BROKER_TROUBLE as error:
            log.debug("progress not sent", error=repr(error))


async def _pause(session: AsyncSession, run: RowMapping) -> RowMapping:
    if run["state"] == "paused":
        return run
    if run["state"] == "training" and run["method"] not in CHECKPOINTING:
        raise NotSteerable(run["id"], f"{run['method']} keeps no checkpoints to go on from: let it end")
    return await book.pause(session, run["id"]) or _moved_on(run)


async def _resume(session: AsyncSession, run: RowMapping) -> RowMapping:
    return await _queue(session, run) if run["state"] == "paused" else run


async def _stop(session: AsyncSession, run: RowMapping) -> RowMapping:
    if run["method"] not in CHECKPOINTING:
        raise NotSteerable(run["id"], f"{run['method']} keeps nothing of what it has learned before its end")
    if run["state"] not in ("queued", "training", "paused"):
        _moved_on(run)
    if run["attempt"] == 0:
        raise NotSteerable(run["id"], "it has not begun, so there is nothing to keep")
    if run["control"] == "stop" and run["state"] != "paused":
        return run
    if run["state"] == "paused":
        return await _queue(session, run, control="stop")
    same = book.in_state(run["state"])
    return await book.change(session, run["id"], same, control="stop") or _moved_on(run)


async def _queue(session: AsyncSession, run: RowMapping, **values: object) -> RowMapping:
    place = place_for(run["method"], run["settings"], await workers.alive(session))
    command = command_for(run, place)
    paused = book.in_state("paused")
    row = await book.queue(session, run["id"], command.message_id, paused, place=place, **values)
    if row is None:
        _moved_on(run)
    announce(session, command)
    return row


def _moved_on(run: RowMapping) -> Never:
    raise NotSteerable(run["id"], "its training is over, or it moved on at this moment: look at it again")
