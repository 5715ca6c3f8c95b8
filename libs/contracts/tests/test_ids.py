"""Ids sort by time, are unique, and fit the patterns that messages demand."""

import pytest
from pydantic import ValidationError

from hone_contracts.ids import new_id, uuid7
from hone_contracts.job_messages import JobCancelled


def test_a_uuid7_has_its_version_and_variant() -> None:
    made = uuid7()
    assert (made.version, made.variant) == (7, "specified in RFC 4122")


def test_ids_of_later_milliseconds_sort_later(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for second in (1, 2, 1_800_000_000, 4_000_000_000):
        monkeypatch.setattr("hone_contracts.ids.time.time_ns", lambda second=second: second * 10**9)
        made.append(new_id("job"))
    assert made == sorted(made)


def test_a_new_job_id_is_one_that_messages_take() -> None:
    ids = {new_id("job") for _ in range(1000)}
    assert len(ids) == 1000
    assert all(JobCancelled(correlation_id=job).correlation_id == job for job in ids)


@pytest.mark.parametrize(
    "job", ["", "job_", "art_01j00000000000000000000000", "job_01J00000000000000000000000", "job_*"]
)
def test_what_is_no_job_id_is_refused(job: str) -> None:
    with pytest.raises(ValidationError):
        JobCancelled(correlation_id=job)
