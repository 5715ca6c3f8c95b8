"""The other services' part of the learning loop, as messages, and a registry to send them to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from running import until
from sqlmodel import SQLModel, col, select

from hone_chassis import Service, rpc
from hone_chassis.outbox import announce
from hone_chassis.tables import OutboxRow
from hone_contracts.artifacts import ArtifactType
from hone_contracts.deployment import ModelDeployed
from hone_contracts.evaluation import (
    AnswerFigures,
    EvaluateVersions,
    EvaluationCompleted,
    PairFigures,
    VersionJudged,
)
from hone_contracts.feedback import FeedbackRecorded
from hone_contracts.generation import ArtifactGenerated
from hone_contracts.ids import new_id
from hone_contracts.messages import Message
from hone_contracts.registry import ListRoutes, PlanVersion, PromptVersion, Routes, ServedVersion, Turn
from hone_contracts.training import DatasetSummary, PlannedVersion
from hone_registry.tables import AliasRow, AuditRow, ReignRow, VersionRow

ERD = ArtifactType.MERMAID_ERD
MODEL = "llamacpp:hone-starter"
T = TypeVar("T", bound=SQLModel)
M = TypeVar("M", bound=Message)


def dataset(digest: str = "d" * 64) -> DatasetSummary:
    return DatasetSummary(
        digest=digest,
        artifact_type=ERD,
        train=40,
        held_out=12,
        train_uri=f"file:///data/{digest}/train.jsonl",
        held_out_uri=f"file:///data/{digest}/held_out.jsonl",
    )


def prompt(text: str = "Members borrow books.") -> PromptVersion:
    turns = (Turn(role="user", content=text), Turn(role="assistant", content="erDiagram"))
    return PromptVersion(reading="whole", system="Write diagrams.", turns=turns)


def deployed(run: str, planned: PlannedVersion, **fields: Any) -> ModelDeployed:
    served = ServedVersion(version=planned.version, prompt=prompt(planned.name))
    told: dict[str, Any] = {
        "artifact_type": ERD,
        "method": "few_shot",
        "planned": planned,
        "dataset": dataset(),
        "served": served,
        "sha256": f"{planned.version:064x}",
        "proof": {"answer": "erDiagram"},
        "parameters": {"examples": 8},
        "figures": {"train": 40},
        "code_version": "0.1.0",
    }
    return ModelDeployed(correlation_id=run, **(told | fields))


def pairs(
    gain: float, count: int = 12, *, start: int = 60, corrected: bool = True
) -> tuple[PairFigures, ...]:
    """The challenger's answers are better by ``gain`` (of 0..1), a little more on one prompt than on another."""

    def answer(quality: float, latency_ms: float) -> AnswerFigures:
        share = min(1.0, max(0.0, quality))
        return AnswerFigures(
            score=round(100 * share), overall_f1=share, relations_f1=share, latency_ms=latency_ms, tokens=100
        )

    found = []
    for place in range(count):
        base = start / 100 + 0.01 * (place % 5)
        found.append(
            PairFigures(
                item=f"item{place}",
                group=f"group{place}",
                corrected=corrected,
                champion=answer(base, 100.0),
                challenger=answer(base + gain + 0.005 * (place % 3), 120.0),
            )
        )
    return tuple(found)


@dataclass
class Loop:
    """Sends what trainer, hub and generator would send to a running registry."""

    service: Service
    received: list[Message] = field(default_factory=list)

    async def plan(
        self, run: str | None = None, artifact_type: ArtifactType = ERD, model: str | None = None
    ) -> tuple[str, PlannedVersion]:
        run = run or new_id("job")
        question = PlanVersion(run_id=run, artifact_type=artifact_type, model=model)
        client = self.service.running.client
        return run, await rpc.ask(client, PlanVersion.subject, question, PlannedVersion)

    async def send(self, *messages: Message) -> None:
        """As another service's outbox would: on the broker, by the relay of this one."""
        async with self.service.database.write() as session:
            announce(session, *messages)

    async def again(self, message: Message) -> None:
        """The same message once more, past the broker's own deduplication."""
        await self.service.running.jetstream.publish(message.subject, message.model_dump_json().encode())

    async def told(self, kind: type[M], run: str | None = None) -> list[M]:
        """What was announced so far."""
        query = select(OutboxRow).where(OutboxRow.subject == kind.subject).order_by(col(OutboxRow.id))
        async with self.service.database.read() as session:
            rows: Iterable[OutboxRow] = (await session.exec(query)).all()
        found = [kind.model_validate_json(row.body) for row in rows]
        return [each for each in found if run is None or each.correlation_id == run]

    async def rows(self, table: type[T]) -> list[T]:
        async with self.service.database.read() as session:
            return list((await session.exec(select(table))).all())

    async def version(self, run: str) -> VersionRow:
        (row,) = [each for each in await self.rows(VersionRow) if each.run_id == run]
        return row

    async def champion(self, artifact_type: ArtifactType = ERD) -> int:
        (number,) = [
            each.version
            for each in await self.rows(AliasRow)
            if (each.alias, each.artifact_type) == ("champion", artifact_type)
        ]
        return number

    async def aliases(self) -> dict[str, int]:
        return {each.alias: each.version for each in await self.rows(AliasRow)}

    async def reigns(self) -> list[tuple[int, bool]]:
        rows = sorted(await self.rows(ReignRow), key=lambda each: each.id or 0)
        return [(each.version, each.ended_at is None) for each in rows]

    async def actions(self) -> list[str]:
        return [each.action for each in sorted(await self.rows(AuditRow), key=lambda each: each.id or 0)]

    async def routes(self) -> Routes:
        return await rpc.ask(self.service.running.client, ListRoutes.subject, ListRoutes(), Routes)


def completed(asked: EvaluateVersions, found: Sequence[PairFigures]) -> EvaluationCompleted:
    return EvaluationCompleted.caused_by(
        asked,
        artifact_type=asked.artifact_type,
        model=asked.model,
        champion=asked.champion.version,
        challenger=asked.challenger.version,
        pairs=tuple(found),
    )


async def evaluated(
    loop: Loop, run: str, planned: PlannedVersion, gain: float, **fields: Any
) -> VersionJudged:
    """Deploy, answer the evaluation that is asked for, and wait for the verdict."""
    await loop.send(deployed(run, planned, **fields))
    asked = (await until(lambda: loop.told(EvaluateVersions, run)))[-1]
    await loop.send(completed(asked, pairs(gain)))
    return (await until(lambda: loop.told(VersionJudged, run)))[0]


def answer(version: int | None, score: int | None, **fields: Any) -> ArtifactGenerated:
    """An artifact that ``version`` was asked for first. Without a score it failed, and a fallback answered."""
    failed = {"outcome": "failed", "error": "no", "error_code": "answer_unusable"}
    first = {"model": MODEL, "version": version, "prompt_version": "1"} | (
        failed if score is None else {"score": score}
    )
    told: dict[str, Any] = {
        "artifact_id": new_id("art"),
        "type": ERD,
        "content": "erDiagram",
        "ir": {},
        "score": 80 if score is None else score,
        "accepted": True,
        "model": MODEL if score is not None else "ollama:other",
        "version": None if score is None else version,
        "attempts": [first | fields],
        "validators": (),
        "evidence": (),
        "timings_ms": {},
    }
    return ArtifactGenerated.model_validate({"correlation_id": new_id("job"), "artifact": told})


def word(version: int, reward: float, user: str, **fields: Any) -> FeedbackRecorded:
    told: dict[str, Any] = {
        "correlation_id": new_id("job"),
        "feedback_id": new_id("fb"),
        "artifact_id": new_id("art"),
        "artifact_type": ERD,
        "model": MODEL,
        "version": version,
        "user": user,
        "reward": reward,
        "validators_score": 90,
    }
    return FeedbackRecorded.model_validate(told | fields)
