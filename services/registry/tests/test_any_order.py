"""The loop's messages in any order and more than once, with people in between: what must hold does."""

import asyncio
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from bare import Bare, bare
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from loops import ERD, MODEL, answer, completed, deployed, pairs, word

from hone_chassis.errors import HandlingError
from hone_chassis.loop_policy import LoopPolicy
from hone_contracts.artifacts import ArtifactType
from hone_contracts.errors import ErrorBody
from hone_contracts.evaluation import EvaluateVersions, EvaluationFailed, VersionJudged
from hone_contracts.ids import new_id
from hone_contracts.job_messages import JobCancelled
from hone_contracts.messages import Message
from hone_contracts.registry import ExportRegistry, ImportRegistry, PlanVersion, PromoteVersion, RollBack
from hone_contracts.training import PlannedVersion, TrainingFailed
from hone_registry.live_tables import WatchRow
from hone_registry.tables import AliasRow, AuditRow, ReignRow, VersionRow

TYPES = (ERD, ArtifactType.SQL_DDL)
POLICY = LoopPolicy(canary_min_answers=3, watch_min_answers=3, bootstrap_rounds=200, canary_share=0.5)
ERROR = ErrorBody(code="x", title="X", detail="it broke")


class AnyOrder(RuleBasedStateMachine):
    """A registry on SQLite, and the messages that were sent to it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        path = Path(self.folder.name)
        self.opened = bare(f"sqlite+aiosqlite:///{path / 'registry.db'}", POLICY, path / "starter.gguf")
        self.registry: Bare = self.run(self.opened.__aenter__())
        self.plans: list[tuple[str, ArtifactType, PlannedVersion]] = []
        self.sent: list[Message] = []

    def run(self, coroutine: Any) -> Any:
        return self.runner.run(coroutine)

    def teardown(self) -> None:
        self.run(self.opened.__aexit__(None, None, None))
        self.runner.close()
        self.folder.cleanup()

    def deliver(self, *messages: Message) -> None:
        for message in messages:
            self.sent.append(message)
            self.run(self.registry.deliver(message))

    @rule(artifact_type=st.sampled_from(TYPES))
    def plan(self, artifact_type: ArtifactType) -> None:
        run = new_id("job")
        question = PlanVersion(run_id=run, artifact_type=artifact_type)
        planned = self.run(self.registry.planning.plan(question))
        assert planned.version not in {each.version for _, _, each in self.plans}
        self.plans.append((run, artifact_type, planned))

    @precondition(lambda self: self.plans)
    @rule(data=st.data(), is_weights=st.booleans())
    def deploy(self, data: st.DataObject, is_weights: bool) -> None:
        run, artifact_type, planned = data.draw(st.sampled_from(self.plans))
        fields: dict[str, Any] = {"artifact_type": artifact_type}
        if is_weights:
            served = {"version": planned.version, "model_uri": "file:///x.gguf", "model_sha256": "f" * 64}
            fields |= {"method": "full", "served": served}
        self.deliver(deployed(run, planned, **fields))

    @precondition(lambda self: self.plans)
    @rule(data=st.data(), cancelled=st.booleans())
    def end(self, data: st.DataObject, cancelled: bool) -> None:
        run, artifact_type, _ = data.draw(st.sampled_from(self.plans))
        if cancelled:
            self.deliver(JobCancelled(correlation_id=run))
        else:
            self.deliver(
                TrainingFailed(correlation_id=run, artifact_type=artifact_type, method="full", error=ERROR)
            )

    @rule(data=st.data(), gain=st.sampled_from([-0.3, -0.005, 0.2]), fails=st.booleans())
    def evaluate(self, data: st.DataObject, gain: float, fails: bool) -> None:
        asked = [each for each in self.run(self.registry.announced()) if isinstance(each, EvaluateVersions)]
        if not asked:
            return
        one = data.draw(st.sampled_from(asked))
        if fails:
            failed = {"artifact_type": one.artifact_type, "model": one.model, "error": ERROR}
            self.deliver(EvaluationFailed.caused_by(one, challenger=one.challenger.version, **failed))
        else:
            self.deliver(completed(one, pairs(gain)))

    @rule(
        version=st.integers(1, 5),
        scores=st.lists(st.sampled_from([None, 10, 80, 95]), min_size=1, max_size=8),
        artifact_type=st.sampled_from(TYPES),
    )
    def work(self, version: int, scores: list[int | None], artifact_type: ArtifactType) -> None:
        for score in scores:
            message = answer(version, score)
            artifact = message.artifact.model_copy(update={"type": artifact_type})
            self.deliver(message.model_copy(update={"artifact": artifact}))

    @rule(version=st.integers(1, 5), reward=st.sampled_from([-1.0, 0.0, 1.0]), user=st.sampled_from("abc"))
    def say(self, version: int, reward: float, user: str) -> None:
        self.deliver(word(version, reward, user))

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def again(self, data: st.DataObject) -> None:
        before = self.everything()
        self.run(self.registry.deliver(data.draw(st.sampled_from(self.sent))))
        assert self.everything() == before

    @rule(version=st.integers(1, 5), artifact_type=st.sampled_from(TYPES))
    def promote(self, version: int, artifact_type: ArtifactType) -> None:
        question = PromoteVersion(name=MODEL, version=str(version), artifact_type=artifact_type, actor="ada")
        self.by_hand(self.registry.by_hand.promote(question))

    @rule(artifact_type=st.sampled_from(TYPES))
    def roll_back(self, artifact_type: ArtifactType) -> None:
        self.by_hand(
            self.registry.by_hand.roll_back(RollBack(name=MODEL, artifact_type=artifact_type, actor="ada"))
        )

    def by_hand(self, asked: Any) -> None:
        before = self.everything()
        try:
            self.run(asked)
        except HandlingError:
            assert self.everything() == before

    @rule()
    def move_house(self) -> None:
        """What is exported makes the same registry elsewhere."""
        text = self.run(self.registry.whole.export(ExportRegistry())).text

        async def there_and_back() -> str:
            url = f"sqlite+aiosqlite:///{self.folder.name}/{new_id('db')}.db"
            async with bare(url, POLICY) as other:
                taken = await other.whole.take(ImportRegistry(text=text))
                assert taken.changes
                assert (await other.whole.take(ImportRegistry(text=text))).changes == ()
                return (await other.whole.export(ExportRegistry())).text

        assert self.run(there_and_back()) == text
        before = self.everything()
        assert self.run(self.registry.whole.take(ImportRegistry(text=text))).changes == ()
        assert self.everything() == before

    def rows(self, table: Any) -> Any:
        return self.run(self.registry.rows(table))

    def everything(self) -> list[Any]:
        tables = (VersionRow, AliasRow, ReignRow, AuditRow, WatchRow)
        return [[row.model_dump() for row in self.rows(table)] for table in tables]

    @invariant()
    def one_champion_of_each_type_and_the_history_says_the_same(self) -> None:
        champions = {
            (row.artifact_type, row.version) for row in self.rows(AliasRow) if row.alias == "champion"
        }
        reigns = self.rows(ReignRow)
        assert {(row.artifact_type, row.version) for row in reigns if row.ended_at is None} == champions
        assert ERD in {artifact_type for artifact_type, _ in champions}
        for artifact_type in TYPES:
            ordered = sorted(
                (row for row in reigns if row.artifact_type == artifact_type), key=lambda row: row.id
            )
            assert [row.ended_at is None for row in ordered[:-1]] == [False] * (len(ordered) - 1)
            assert all(one.version != other.version for one, other in pairwise(ordered))

    @invariant()
    def states_say_what_the_aliases_say(self) -> None:
        aliases = self.rows(AliasRow)
        for state in ("champion", "canary"):
            seated = {row.version for row in aliases if row.alias == state}
            assert {row.version for row in self.rows(VersionRow) if row.state == state} == seated
        assert all((row.share is None) == (row.alias != "canary") for row in aliases)

    @invariant()
    def whoever_was_found_bad_is_champion_only_by_hand(self) -> None:
        audit = sorted(self.rows(AuditRow), key=lambda row: row.id)
        bad: dict[str, str] = {}
        for row in audit:
            if row.action in ("rejected", "rolled back"):
                was = row.detail.get("was")
                bad[f"model:{MODEL}@{was}" if row.action == "rolled back" else row.subject] = row.action
            if row.action in ("promoted", "rolled back", "made canary") and row.subject in bad:
                assert row.actor == "ada"
                del bad[row.subject]

    @invariant()
    def the_trail_tells_of_every_change_of_champion(self) -> None:
        actions = [row.action for row in self.rows(AuditRow)]
        begun = [
            row for row in self.rows(ReignRow) if row.why != "it answered where no version of this type was"
        ]
        assert actions.count("promoted") + actions.count("rolled back") == len(begun)

    @invariant()
    def every_run_is_judged_at_most_once_before_it_is_at_work(self) -> None:
        judged = [each for each in self.run(self.registry.announced()) if isinstance(each, VersionJudged)]
        first: dict[str, str] = {}
        for each in judged:
            if each.verdict in ("challenger", "rejected") and each.correlation_id in first:
                assert first[each.correlation_id] in ("canary", "promoted", "rolled_back")
            first.setdefault(each.correlation_id, each.verdict)


AnyOrder.TestCase.settings = settings(
    max_examples=8, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
TestAnyOrder = pytest.mark.slow(AnyOrder.TestCase)
