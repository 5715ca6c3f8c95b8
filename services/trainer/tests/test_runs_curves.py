"""What is kept of a run's metrics: bounded, in order, and with nothing in it that no chart can show."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hone_contracts.training import CurvePoint
from hone_trainer.runs.curves import KEPT_POINTS, Gathered, _Metrics, thinned


def curve(length: int, every: int) -> list[CurvePoint]:
    return [
        CurvePoint(step=n, loss=1.0, held_out_loss=2.0 if n % every == 0 else None)
        for n in range(1, length + 1)
    ]


@given(length=st.integers(0, 400), every=st.integers(1, 60), most=st.integers(2, 100))
def test_a_thinned_curve_has_its_ends_and_its_held_out_losses(length: int, every: int, most: int) -> None:
    points = curve(length, every)
    kept = thinned(points, most)
    assert len(kept) == min(length, most)
    assert [each.step for each in kept] == sorted({each.step for each in kept})
    if points:
        assert (kept[0], kept[-1]) == (points[0], points[-1])
    held_out = [each for each in points if each.held_out_loss]
    if len(held_out) + 2 <= most:
        assert [each for each in kept if each.held_out_loss] == held_out


def line(step: Any, **more: Any) -> bytes:
    return json.dumps({"step": step, **more}).encode()


def test_steps_that_are_taken_again_replace_what_came_of_them_before() -> None:
    gathered = Gathered()
    for step in (1, 2, 3, 4):
        gathered.take(line(step, loss=float(step)))
    gathered.take(line(3, loss=0.5))
    gathered.take(line(3, held_out_loss=0.7))
    assert [(each.step, each.loss, each.held_out_loss) for each in gathered.points] == [
        (1, 1.0, None),
        (2, 2.0, None),
        (3, 0.5, 0.7),
    ]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[1]",
        b'"step"',
        b'{"loss": 1}',
        line("1"),
        line(True),
        line(-1),
        line(1 << 60),
        b"[" * 50_000,
    ],
)
def test_what_is_no_step_is_passed_over(text: bytes) -> None:
    gathered = Gathered()
    assert not gathered.take(text) and gathered.points == []


def test_numbers_that_json_cannot_say_are_left_out() -> None:
    gathered = Gathered()
    gathered.take(
        b'{"step": 1, "loss": NaN, "held_out_loss": Infinity, "learning_rate": 1' + b"0" * 400 + b"}"
    )
    assert gathered.points == [CurvePoint(step=1)]


def test_a_long_run_takes_bounded_memory() -> None:
    gathered = Gathered()
    for step in range(1, 20 * KEPT_POINTS):
        gathered.take(line(step, loss=1.0))
    assert len(gathered.points) <= 2 * KEPT_POINTS
    assert (gathered.points[0].step, gathered.steps) == (1, 20 * KEPT_POINTS - 1)


def test_a_file_is_read_on_from_where_it_was_half_a_line_included(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    file = _Metrics(path, Gathered())
    assert not file.read_on()  # nothing is there yet
    whole = line(1, loss=1.0) + b"\n" + line(2, loss=2.0) + b"\n"
    path.write_bytes(whole[:30])
    assert file.read_on() and file.gathered.steps == 1
    path.write_bytes(whole)
    assert file.read_on() and file.gathered.steps == 2
    assert not file.read_on()
    path.write_bytes(line(1, loss=9.0) + b"\n")  # it began anew
    assert file.read_on() and [each.loss for each in file.gathered.points] == [9.0]


def test_a_line_without_end_is_not_kept_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"x" * (5 << 20) + b"\n" + line(1, loss=1.0) + b"\n")
    file = _Metrics(path, Gathered())
    file.read_on()
    assert len(file.rest) <= 64 << 10
    assert file.read_on() and file.gathered.steps == 1
