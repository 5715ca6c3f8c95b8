"""The card is lent to one training run at a time, when generation is idle or the policy says so, and not for ever."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hone_contracts.card import CardPolicy
from hone_generator.memory.lease import Clear, Grant, Lease, NotYet, Use

IDLE = Use(in_use=0, idle_s=1000)
JUST_USED = Use(in_use=0, idle_s=5)
BUSY = Use(in_use=2, idle_s=0)


def lent(lease: Lease, run: str = "run-1", now: float = 0.0, lease_s: float = 60.0) -> Grant:
    assert lease.ask(run, None, IDLE, now) == Clear()
    return lease.grant(run, lease_s, now, token=1)


def test_it_is_granted_when_nothing_is_generated() -> None:
    lease = Lease("generation_first", idle_s=60)
    grant = lent(lease)
    assert lease.holder(1) == grant
    assert lease.closed_by(20) == ("run-1", 40)


def test_generation_first_waits_until_nothing_was_generated_for_a_while_and_refuses_nobody() -> None:
    lease = Lease("generation_first", idle_s=60)
    for use, reason in ((BUSY, "2 answers"), (JUST_USED, "a moment ago")):
        answer = lease.ask("run-1", None, use, 0)
        assert isinstance(answer, NotYet)
        assert reason in answer.reason
        assert lease.closed_by(0) is None


def test_train_first_waits_for_the_answers_being_written_and_no_new_ones_begin() -> None:
    lease = Lease("generation_first", idle_s=60)
    assert isinstance(lease.ask("run-1", "train_first", BUSY, 0), NotYet)
    assert lease.closed_by(1) is not None
    assert lease.ask("run-1", "train_first", JUST_USED, 2) == Clear()


def test_who_asked_for_train_first_and_went_away_closes_nothing_for_long() -> None:
    lease = Lease("train_first", idle_s=60)
    lease.ask("run-1", None, BUSY, 0)
    assert lease.closed_by(14) is not None
    assert lease.closed_by(16) is None


def test_another_run_waits_for_the_holder_and_for_who_asked_before() -> None:
    lease = Lease("generation_first", idle_s=60)
    lease.ask("run-1", None, BUSY, 0)
    assert isinstance(lease.ask("run-2", None, IDLE, 1), NotYet)
    grant = lent(lease, now=2)
    assert isinstance(lease.ask("run-2", None, IDLE, 3), NotYet)
    assert lease.ask("run-1", None, IDLE, 3) == grant  # an answer that was lost is given again
    lease.release("run-1", grant.token, 4)
    assert lease.ask("run-2", None, IDLE, 5) == Clear()


def test_it_runs_out_if_it_is_not_renewed() -> None:
    lease = Lease("generation_first", idle_s=60)
    grant = lent(lease, lease_s=60)
    assert lease.renew("run-1", grant.token, 60, now=59) is not None
    assert lease.holder(118) is not None
    assert lease.holder(119.1) is None
    assert lease.closed_by(119.1) is None
    assert lease.renew("run-1", grant.token, 60, now=120) is None


def test_a_holder_of_yesterday_has_a_smaller_token_and_cannot_renew_nor_release() -> None:
    lease = Lease("generation_first", idle_s=60)
    old = lent(lease, "run-1", 0)
    new = lent(lease, "run-1", 100)
    assert new.token > old.token
    assert lease.renew("run-1", old.token, 60, 101) is None
    assert not lease.release("run-1", old.token, 101)
    assert not lease.release("run-2", new.token, 101)
    assert lease.holder(101) == new


def test_tokens_grow_over_a_restart() -> None:
    assert Lease("train_first", 60, last_token=500).grant("run-1", 60, 0, token=7).token == 501
    assert Lease("train_first", 60).grant("run-1", 60, 0, token=1_795_000_000_000).token == 1_795_000_000_000


RUNS = st.sampled_from(["run-1", "run-2", "run-3"])


class LeaseMachine(RuleBasedStateMachine):
    """Runs that ask, renew, release and vanish at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.lease = Lease("generation_first", idle_s=10)
        self.now = 0.0
        self.in_use = 0
        self.last_end = -1000.0
        self.grants: list[Grant] = []

    @rule(seconds=st.floats(0, 40))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def an_answer_begins(self) -> None:
        if self.lease.closed_by(self.now) is None:
            self.in_use += 1

    @rule()
    def an_answer_ends(self) -> None:
        if self.in_use:
            self.in_use -= 1
            self.last_end = self.now

    @rule(run=RUNS, policy=st.sampled_from([None, "generation_first", "train_first"]))
    def asks(self, run: str, policy: CardPolicy | None) -> None:
        answer = self.lease.ask(run, policy, Use(self.in_use, self.now - self.last_end), self.now)
        if isinstance(answer, NotYet):
            assert answer.reason
            assert 0 < answer.retry_after_s <= 10
        elif isinstance(answer, Clear):
            assert not self.in_use
            assert policy == "train_first" or self.now - self.last_end >= 10
            grant = self.lease.grant(run, 30, self.now, token=0)
            assert all(grant.token > earlier.token for earlier in self.grants)
            self.grants.append(grant)
        else:
            assert (answer.run, answer.token) == (run, self.grants[-1].token)

    @rule(run=RUNS, which=st.integers(0, 5))
    def renews(self, run: str, which: int) -> None:
        if self.grants:
            token = self.grants[-1 - which % len(self.grants)].token
            renewed = self.lease.renew(run, token, 30, self.now)
            assert renewed is None or (renewed.run, token) == (self.grants[-1].run, self.grants[-1].token)

    @rule(run=RUNS)
    def releases(self, run: str) -> None:
        if self.grants and self.lease.release(run, self.grants[-1].token, self.now):
            assert run == self.grants[-1].run

    @invariant()
    def nothing_is_generated_while_it_is_lent(self) -> None:
        if (holder := self.lease.holder(self.now)) is not None:
            assert not self.in_use
            assert holder.token == self.grants[-1].token
            assert self.lease.closed_by(self.now) is not None
            assert holder.expires - self.now <= 30 + 1e-6  # seconds are floats


TestLeaseMachine = LeaseMachine.TestCase
TestLeaseMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("remaining", [0.01, 3, 500])
def test_who_waits_is_told_to_ask_again_before_its_place_is_lost(remaining: float) -> None:
    lease = Lease("generation_first", idle_s=60)
    lent(lease, lease_s=remaining)
    answer = lease.ask("run-2", None, IDLE, 0)
    assert isinstance(answer, NotYet)
    assert 0 < answer.retry_after_s <= 5
