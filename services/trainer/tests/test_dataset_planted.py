"""Precision and recall of every gate on planted errors. The figures themselves stand in docs/datasets.md."""

import io
from collections.abc import Iterator

import pytest
from planted import planted

from hone_trainer.datasets.check import check
from hone_trainer.datasets.findings import GATES, Finding, Gate
from hone_trainer.datasets.formats import read

_LEAST_RECALL, _LEAST_PRECISION = 0.95, 0.95


@pytest.fixture(scope="module", params=[11, 12])
def judged(request: pytest.FixtureRequest) -> dict[Gate, tuple[set[int], set[int]]]:
    """By gate: the rows that are wrong, and those that it names."""
    made = planted(request.param, clean=2000, each=10)
    report = check(
        read(io.BytesIO(b"\n".join(made.lines)), "messages"),
        held_out=read(io.BytesIO(b"\n".join(made.held_out))),
    )
    return {gate: (made.expected(gate), _rows(report.of(gate))) for gate in GATES}


def _rows(findings: Iterator[Finding]) -> set[int]:
    return {found.row for found in findings if found.side == "train" and found.row}


@pytest.mark.parametrize("gate", GATES)
def test_planted_errors_are_found_and_clean_rows_are_not_named(
    gate: Gate, judged: dict[Gate, tuple[set[int], set[int]]]
) -> None:
    wrong, named = judged[gate]
    assert wrong
    assert len(wrong & named) / len(wrong) >= _LEAST_RECALL, f"missed: {sorted(wrong - named)[:20]}"
    assert len(wrong & named) / len(named) >= _LEAST_PRECISION, f"clean: {sorted(named - wrong)[:20]}"
