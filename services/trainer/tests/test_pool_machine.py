"""The pool and the trigger together, in any order of what may happen: each example is in one batch at most, batches
have their size, nobody has more of one than may be, and the counts are those of the rows."""

import asyncio
import tempfile
from collections import Counter
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from feedbacks import ERD, feedback
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from loop_parts import policy
from sqlalchemy import select

from hone_chassis import migrations
from hone_chassis.database import Database
from hone_chassis.tables import OutboxRow, table_of
from hone_contracts.errors import ErrorBody
from hone_contracts.evaluation import VersionJudged
from hone_contracts.feedback import FeedbackRecorded
from hone_contracts.registry import Route
from hone_contracts.training import TrainModel
from hone_trainer.app import HEAD
from hone_trainer.pool.feedback import Intake
from hone_trainer.pool.fold import Rules
from hone_trainer.pool.tables import STATES, ExampleRow, PersonRow, PoolTypeRow, VerdictRow
from hone_trainer.runs import book, ending
from hone_trainer.runs.tables import RunRow
from hone_trainer.starting import Starter
from hone_trainer.training import Methods

POLICY = policy(batch_examples=4, person_share=0.5, min_interval_s=60, active_days=1)
USERS = ["anna", "bob", "eve"]
ROUTE = Route(artifact_type="default", model="ollama:tiny")


class PoolMachine(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.now = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
        self.sent: list[FeedbackRecorded] = []
        self.owners: dict[str, dict[str, str]] = {}  # batch: example: whose it was when it was claimed
        self.database = Database(f"sqlite+aiosqlite:///{Path(self.folder.name) / 'pool.db'}", "trainer")
        self.do(migrations.migrate(self.database, "hone_trainer", HEAD))
        self.start()

    def start(self) -> None:
        """A process has nothing in memory that matters."""
        methods = Methods("few_shot", lambda _: ROUTE)
        self.starter = Starter(POLICY, methods, lambda: self.now)
        self.intake = Intake(self.database, Rules(85, 50, POLICY.disagreement), self.starter.look)

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    @rule(
        artifact=st.integers(0, 14),
        user=st.sampled_from(USERS),
        thumb=st.sampled_from(["up", "up", "up", "down", None]),
        correction=st.sampled_from([None, None, "erDiagram\n A\n", "erDiagram\n B\n"]),
        score=st.sampled_from([95, 95, 70]),
    )
    def somebody_says_something(
        self, artifact: int, user: str, thumb: Any, correction: Any, score: int
    ) -> None:
        self.now += timedelta(seconds=1)
        # Some artifacts are the same as others.
        told = feedback(artifact, user, thumb=thumb, correction=correction, score=score, occurred_at=self.now,
                        requirements=f"Text {artifact % 12}", content=f"erDiagram\n  T{artifact % 12}\n")  # fmt: skip
        before = [each for each in self.sent if (each.artifact_id, each.user) == (told.artifact_id, user)]
        if before:
            told = told.model_copy(update={"supersedes": before[-1].feedback_id})
        self.sent.append(told)
        self.take(told)

    @rule(user=st.sampled_from(USERS), first=st.integers(0, 11), count=st.integers(2, 6))
    def somebody_praises_many(self, user: str, first: int, count: int) -> None:
        for artifact in range(first, first + count):
            self.somebody_says_something(artifact % 15, user, "up", None, 95)

    @rule(data=st.data())
    def messages_come_again_late_and_together(self, data: Any) -> None:
        if self.sent:
            self.take(*data.draw(st.lists(st.sampled_from(self.sent), min_size=1, max_size=5)))

    def take(self, *messages: FeedbackRecorded) -> None:
        self.do(self.intake.take_in(messages))
        self.note_claims()

    @rule(minutes=st.sampled_from([0, 1, 2000]))
    def time_passes_and_the_clock_is_looked_at(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        self.do(self.starter.tick(self.database))
        self.note_claims()

    @rule()
    def the_service_starts_anew(self) -> None:
        self.start()

    @rule(how=st.sampled_from(["failed", "cancelled", "canary", "rejected"]))
    def the_run_ends(self, how: Any) -> None:
        async def end() -> None:
            async with self.database.write() as session:
                for seen in await book.waiting(session):
                    run = await book.find(session, seen["id"])
                    assert run is not None
                    if how == "failed":
                        error = ErrorBody(code="x", title="x", detail="x")
                        await ending.failed(session, run, error, tries=2)
                    elif how == "cancelled":
                        await ending.cancelled(session, run, tries=2)
                    else:
                        told = {"model": "m", "version": 2, "name": "v2", "verdict": how, "reasons": ()}
                        judged = VersionJudged(correlation_id=run["id"], artifact_type=ERD, **told)
                        await ending.judged(session, run, judged)

        self.do(end())

    def note_claims(self) -> None:
        for row in self.rows(ExampleRow):
            if row["state"] == "claimed":
                self.owners.setdefault(row["batch"], {}).setdefault(row["id"], row["contributor"])

    def rows(self, table: Any) -> list[Any]:
        async def read() -> list[Any]:
            async with self.database.read() as session:
                return list((await (await session.connection()).execute(select(table_of(table)))).mappings())

        found: list[Any] = self.do(read())
        return found

    @invariant()
    def the_counts_are_those_of_the_rows(self) -> None:
        examples = self.rows(ExampleRow)
        for counts in self.rows(PoolTypeRow):
            states = Counter(row["state"] for row in examples)
            assert {state: counts[state] for state in STATES} == {state: states[state] for state in STATES}
            new = [row for row in examples if row["state"] == "new"]
            assert counts["corrected"] == sum(row["corrected"] for row in new)
            own = Counter(row["contributor"] for row in new if row["contributor"])
            assert {row["user"]: row["new"] for row in self.rows(PersonRow) if row["new"]} == own

    @invariant()
    def a_batch_has_its_size_and_no_person_more_of_it_than_may_be(self) -> None:
        for owners in self.owners.values():
            assert len(owners) == POLICY.batch_examples
            most = max(Counter(owner for owner in owners.values() if owner).values(), default=0)
            assert most <= POLICY.batch_examples / 2 or len(set(owners.values()) - {""}) == 1

    @invariant()
    def a_content_is_good_once_and_in_one_batch(self) -> None:
        examples = self.rows(ExampleRow)
        good = Counter(
            row["key"] for row in examples if row["state"] in ("new", "claimed", "used", "rejected")
        )
        assert max(good.values(), default=0) <= 1
        batches: dict[str, set[str]] = {}
        for row in examples:
            if row["batch"] is not None:
                batches.setdefault(row["key"], set()).add(row["batch"])
        assert all(len(each) == 1 for each in batches.values())

    @invariant()
    def what_waits_for_its_twin_has_one(self) -> None:
        examples = self.rows(ExampleRow)
        held = {row["key"] for row in examples if row["state"] in ("new", "claimed", "used", "rejected")}
        assert {row["key"] for row in examples if row["state"] == "duplicate"} <= held

    @invariant()
    def every_run_was_told_of_once_and_one_is_under_way(self) -> None:
        runs = self.rows(RunRow)
        assert sum(run["finished_at"] is None for run in runs) <= 1
        told = Counter(row["subject"] for row in self.rows(OutboxRow))
        assert told[TrainModel.subject] == len(runs) == len(self.owners)

    @invariant()
    def one_word_of_a_person_counts(self) -> None:
        last: dict[tuple[str, str], str] = {}
        for told in self.sent:
            last[told.artifact_id, told.user] = told.feedback_id
        kept = {(row["artifact_id"], row["user"]): row["feedback_id"] for row in self.rows(VerdictRow)}
        assert kept == last

    def teardown(self) -> None:
        if hasattr(self, "loop"):
            self.do(self.database.aclose())
            self.loop.close()
            self.folder.cleanup()


pytestmark = pytest.mark.slow
TestPoolMachine = PoolMachine.TestCase
TestPoolMachine.settings = settings(
    max_examples=12, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
