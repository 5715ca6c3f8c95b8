"""What is trained on and what is held out: near-duplicates on one side, once held out for ever."""

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from loop_parts import policy

from hone_contracts.artifacts import ArtifactType
from hone_trainer.examples import Example
from hone_trainer.runs.files import Contents, DatasetFiles
from hone_trainer.runs.split import Candidates, Split, split


def example(number: int, **more: Any) -> Example:
    told: dict[str, Any] = {
        "id": f"ex_{number}", "source": "feedback", "origin": f"fb_{number}", "requirements": f"Text {number}",
        "content": "x", "score": 90, "agreement": 0.66, "contributor": "anna", "corrected": False,
        "key": f"{number * 7919 % 1000:04}",
    }  # fmt: skip
    return Example(**told | more)


def candidates(
    fresh: int, *, replayed: int = 0, held: int = 0, groups: list[int] | None = None, **more: Any
) -> Candidates:
    those = [example(n, **more) for n in range(fresh + replayed + held)]
    held_ones = [example(n, **more | {"held_out": True}) for n in range(fresh + replayed, len(those))]
    return Candidates(
        those[:fresh], those[fresh : fresh + replayed], held_ones, groups or list(range(len(those)))
    )


numbers = st.integers(0, 40)


@given(st.data(), numbers, numbers, numbers, st.integers(1, 60))
def test_no_group_is_on_both_sides_and_what_was_held_out_is_never_trained_on(
    data: Any, fresh: int, replayed: int, held: int, kinds: int
) -> None:
    size = fresh + replayed + held
    trained = data.draw(st.integers(0, 10))
    groups = data.draw(st.lists(st.integers(0, kinds), min_size=size + trained, max_size=size + trained))
    given_ = candidates(fresh, replayed=replayed, held=held, groups=groups or [0])
    done = split(given_, policy(), "seed")
    train, held_out = {done.groups[e.id] for e in done.train}, {done.groups[e.id] for e in done.held_out}
    assert train.isdisjoint(held_out)
    assert {e.id for e in done.train}.isdisjoint(e.id for e in given_.held)
    new = {e.id for e in given_.fresh}
    newly_held = {done.groups[e.id] for e in done.held_out if e.id in new}
    assert newly_held.isdisjoint(groups[size:])
    assert len(done.held_out) <= policy().held_out_max
    everyone = [e.id for e in (*done.train, *done.held_out, *done.left_out)]
    assert len(everyone) == len(set(everyone))
    if held <= policy().held_out_max:
        assert new <= set(everyone)


def test_a_fifth_is_held_out_of_a_batch_of_different_texts() -> None:
    done = split(candidates(50), policy(held_out_min=8), "seed")
    assert (len(done.train), len(done.held_out)) == (40, 10)


def test_corrected_examples_are_more_of_the_held_out_ones_and_most_of_them_are_trained_on() -> None:
    fresh = [example(n, corrected=n < 20) for n in range(50)]
    done = split(Candidates(fresh, [], [], list(range(50))), policy(held_out_min=8), "seed")
    assert sum(each.corrected for each in done.held_out) == 6
    assert sum(each.corrected for each in done.train) == 14


def test_an_example_that_was_held_out_in_a_failed_run_is_held_out_in_the_next() -> None:
    fresh = [example(n, held_out=n in (3, 4)) for n in range(20)]
    done = split(Candidates(fresh, [], [], list(range(20))), policy(), "another seed")
    assert {"ex_3", "ex_4"} <= {each.id for each in done.held_out}


def test_a_new_example_near_one_that_was_trained_on_is_trained_on_and_never_held_out() -> None:
    groups = [*range(20), 7]
    for seed in map(str, range(20)):
        done = split(Candidates([example(n) for n in range(20)], [], [], groups), policy(), seed)
        assert "ex_7" in {each.id for each in done.train}


def test_right_answers_that_a_person_brought_are_references_as_corrections_are(tmp_path: Path) -> None:
    """And one that was called good is not: it is the champion's own more often than not."""
    praised, brought, corrected = example(1), example(2, source="import"), example(3, corrected=True)
    parts = Split((example(0),), (praised, brought, corrected), (), {f"ex_{n}": n for n in range(4)})
    files = DatasetFiles(tmp_path)
    summary, _ = files.store(Contents(ArtifactType.SQL_DDL, parts, [1.0], frozenset(), {}), {})
    items = files.held_out(summary.digest)
    assert [each.corrected for each in items] == [False, True, True]
