"""How the losses of a run go: read from its metrics as they are written, thinned out, and kept where everyone can ask
for them. The file itself stays with the worker, whose disk nobody else may see."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from hone_chassis.database import Database, insert_new
from hone_chassis.errors import DatabaseUnavailable
from hone_chassis.logs import get_logger
from hone_chassis.tables import table_of, utc_now
from hone_contracts.training import Curve, CurvePoint, ShowCurve
from hone_trainer.errors import NoSuchRun
from hone_trainer.runs import book
from hone_trainer.runs.tables import CurveRow

log = get_logger(__name__)

_CURVES = table_of(CurveRow)

KEPT_POINTS = 1_000
"""Of a run, in the table; a screen shows fewer."""

_READ_EVERY_S = 3.0
_AT_ONCE_BYTES = 4 << 20
_LONGEST_LINE_BYTES = 64 << 10
_LAST_STEP = 1 << 53  # what JSON's readers all count to
_MEASURED = ("loss", "held_out_loss", "learning_rate", "gradient_norm", "tokens_per_s")


def thinned(points: Sequence[CurvePoint], most: int) -> list[CurvePoint]:
    """At most ``most`` points in their order, evenly spaced: the first, the last, and each with a held-out loss, as
    far as there are not too many even of those."""
    if len(points) <= most:
        return list(points)
    must = [i for i, each in enumerate(points) if each.held_out_loss is not None or i in (0, len(points) - 1)]
    if len(must) >= most:
        return [points[i] for i in _evenly(must, most)]
    kept = set(must)
    others = [i for i in range(len(points)) if i not in kept]
    kept.update(_evenly(others, most - len(must)))
    return [points[i] for i in sorted(kept)]


def _evenly(among: Sequence[int], wanted: int) -> list[int]:
    """``wanted`` of them, the first and the last where there is room for both."""
    if wanted >= len(among):
        return list(among)
    if wanted <= 1:
        return [among[-1]] * wanted
    return [among[round(i * (len(among) - 1) / (wanted - 1))] for i in range(wanted)]


@dataclass
class Gathered:
    """The points of a run so far. A step that comes again was taken again, from a checkpoint: what came after it is
    forgotten."""

    points: list[CurvePoint] = field(default_factory=list)

    @property
    def steps(self) -> int:
        return self.points[-1].step if self.points else 0

    def take(self, line: bytes) -> bool:
        """False for what is no step's line."""
        point = _point(line)
        if point is None:
            return False
        while self.points and self.points[-1].step > point.step:
            self.points.pop()
        if self.points and self.points[-1].step == point.step:
            point = _together(self.points.pop(), point)
        self.points.append(point)
        if len(self.points) > 2 * KEPT_POINTS:
            self.points = thinned(self.points, KEPT_POINTS)
        return True


def _point(line: bytes) -> CurvePoint | None:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return None
    step = told.get("step") if isinstance(told, dict) else None
    if not isinstance(step, int) or isinstance(step, bool) or not 0 <= step < _LAST_STEP:
        return None
    return CurvePoint(step=step, **{name: _finite(told.get(name)) for name in _MEASURED})


def _together(before: CurvePoint, after: CurvePoint) -> CurvePoint:
    """Of one step two lines may tell, its own and that of the held-out loss after it."""
    return before.model_copy(update=after.model_dump(exclude_none=True))


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


@dataclass
class _Metrics:
    """A file that grows, read piece by piece. One that became shorter is read anew."""

    path: Path
    gathered: Gathered
    read_bytes: int = 0
    rest: bytes = b""

    def read_on(self) -> bool:
        """Whether something new was there."""
        try:
            with self.path.open("rb") as file:
                if file.seek(0, 2) < self.read_bytes:
                    self.read_bytes, self.rest = 0, b""
                file.seek(self.read_bytes)
                piece = file.read(_AT_ONCE_BYTES)
        except OSError:
            return False  # nothing is written yet
        self.read_bytes += len(piece)
        *lines, self.rest = (self.rest + piece).split(b"\n")
        if len(self.rest) > _LONGEST_LINE_BYTES:
            self.rest = b""
        new = [self.gathered.take(line) for line in lines if len(line) <= _LONGEST_LINE_BYTES]
        return any(new)


@dataclass(frozen=True)
class Curves:
    database: Database

    async def show(self, question: ShowCurve) -> Curve:
        """Raises NoSuchRun, also for another tenant's."""
        async with self.database.read() as session:
            run = await book.find(session, question.run_id)
        if run is None or run["tenant"] != question.tenant:
            raise NoSuchRun(question.run_id)
        gathered = await self._kept_of(question.run_id)
        points = tuple(thinned(gathered.points, question.most_points))
        return Curve(run_id=question.run_id, steps=gathered.steps, points=points)

    @asynccontextmanager
    async def followed(self, run_id: str, metrics: Path) -> AsyncIterator[None]:
        """While the block runs, and once more after it, what ``metrics`` tells is kept."""
        file = _Metrics(metrics, await self._kept_of(run_id))
        following = asyncio.create_task(self._follow(run_id, file))
        try:
            yield
        finally:
            following.cancel()
            await asyncio.shield(self._keep_on(run_id, file))

    async def _follow(self, run_id: str, file: _Metrics) -> None:
        while True:
            await asyncio.sleep(_READ_EVERY_S)
            await self._keep_on(run_id, file)

    async def _keep_on(self, run_id: str, file: _Metrics) -> None:
        try:
            while await asyncio.to_thread(file.read_on):
                await self._keep(run_id, file.gathered)
        except DatabaseUnavailable as error:
            log.warning("a run's curve is not kept", run_id=run_id, error=str(error))

    async def _keep(self, run_id: str, gathered: Gathered) -> None:
        points = [each.model_dump(exclude_none=True) for each in thinned(gathered.points, KEPT_POINTS)]
        told: dict[str, Any] = {"steps": gathered.steps, "points": points, "updated_at": utc_now()}
        async with self.database.write(durable=False) as session:
            if not await insert_new(session, CurveRow, {"run_id": run_id} | told):
                statement = update(_CURVES).where(_CURVES.c.run_id == run_id).values(**told)
                await (await session.connection()).execute(statement)

    async def _kept_of(self, run_id: str) -> Gathered:
        query = select(_CURVES.c.points).where(_CURVES.c.run_id == run_id)
        async with self.database.read() as session:
            points = (await (await session.connection()).execute(query)).scalar_one_or_none()
        return Gathered(list(map(CurvePoint.model_validate, points or ())))
