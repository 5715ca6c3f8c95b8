"""What people are against: which answers of the pool, on which side of a dataset, and as which rows for KTO."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from feedbacks import ERD, different_text, feedback
from loop_parts import policy, training

from hone_chassis.database import Database
from hone_chassis.migrations import migrate
from hone_contracts.artifacts import ArtifactType
from hone_contracts.ids import new_id
from hone_contracts.pool import DatasetShown, ExamplesImported, ImportExamples, ShowDataset
from hone_contracts.registry import ServedVersion
from hone_contracts.teaching import Pair, RenderedExample, RenderedExamples, RenderExamples
from hone_contracts.training import (
    DatasetSummary,
    PlannedVersion,
    StartTraining,
    TrainingCompleted,
    TrainingFailed,
)
from hone_trainer.app import HEAD
from hone_trainer.examples import Example
from hone_trainer.pool import against
from hone_trainer.pool.feedback import Intake
from hone_trainer.pool.fold import Rules, key_of
from hone_trainer.pool.tally import Tally
from hone_trainer.runs.against import MOST_EACH, choose
from hone_trainer.runs.files import Contents, DatasetFiles
from hone_trainer.runs.preferences import Preferences
from hone_trainer.runs.split import Split
from hone_trainer.tuning.errors import OneSided

RULES = Rules(good_score=85, correction_score=50, disagreement=0.5)
ANSWER = "erDiagram\n    THING_{} {{ }}\n"


async def refused(database_url: str, *messages: Any, artifact_type: str = "mermaid_erd") -> list[Example]:
    """What a pool that heard these holds against its answers."""
    database = Database(database_url, "trainer")
    await migrate(database, "hone_trainer", HEAD)

    async def nothing(_: Tally) -> None:
        return None

    intake = Intake(database, RULES, nothing)
    for message in messages:
        await intake.take_in([message])
    async with database.read() as session:
        found = await against.newest(session, "default", artifact_type, 100)
    await database.aclose()
    return found


async def test_answers_are_held_against_the_model_when_more_people_are_against_than_for_them(
    database_url: str,
) -> None:
    found = await refused(
        database_url,
        feedback(1, thumb="down"),
        feedback(2, thumb="up"),
        feedback(3, thumb="down"), feedback(3, "bob", thumb="up"),
        feedback(4, thumb="down"), feedback(4, "bob", thumb="up"), feedback(4, "eve", thumb="down"),
        feedback(5, thumb=None),
        feedback(6, correction="erDiagram\n  BETTER\n"),
        feedback(7, correction="erDiagram\n  BAD\n", correction_score=10),
        feedback(8, thumb="down", tenant="other"),
        feedback(9, thumb="down", artifact_type=ArtifactType.SQL_DDL),
        feedback(10, thumb="down"), feedback(10, thumb="up"),
    )  # fmt: skip
    # Of 3 and 5 nobody knows, 10 was thought better of; the answer of 6 is what was corrected.
    assert [each.artifact_id for each in found] == ["art_7", "art_6", "art_4", "art_1"]
    assert [each.content for each in found] == [ANSWER.format(n) for n in (7, 6, 4, 1)]
    assert all(each.key == key_of(each.requirements, each.content) for each in found)
    assert [round(each.agreement, 2) for each in found] == [0.67, 0.67, 0.6, 0.67]


async def test_an_answer_that_is_praised_elsewhere_is_not_held_against_the_model(database_url: str) -> None:
    same: dict[str, Any] = {"requirements": "The same.", "content": "erDiagram\n  SAME\n"}
    found = await refused(
        database_url,
        feedback(1, thumb="down", **same),
        feedback(2, thumb="up", **same),
        feedback(3, thumb="down", requirements="Other.", content="erDiagram\n  O\n"),
        feedback(4, "bob", thumb="down", requirements="Other.", content="erDiagram\n  O\n"),
    )
    assert [each.requirements for each in found] == ["Other."]


async def test_a_correction_that_is_withdrawn_takes_its_charge_with_it(database_url: str) -> None:
    found = await refused(database_url, feedback(1, correction="erDiagram\n  B\n"), feedback(1, thumb="up"))
    assert found == []


# Which go with a dataset


def example(number: int, content: str = "bad", **more: Any) -> Example:
    return Example(
        id=f"ex_{number}", source="feedback", origin=f"fb_{number}", requirements=different_text(number),
        content=content, score=50, agreement=0.67, contributor="anna", corrected=False, key=f"{number}{content}",
        **more,
    )  # fmt: skip


def parts(train: Sequence[Example], held_out: Sequence[Example]) -> Split:
    everyone = [*train, *held_out]
    return Split(tuple(train), tuple(held_out), (), {each.id: n for n, each in enumerate(everyone)})


def test_near_duplicates_of_held_out_examples_are_held_out_and_older_ones_are_left_out() -> None:
    held = [example(n, "good") for n in (1, 2)]
    near = replace(example(20), requirements=different_text(1) + " Please.")
    old = example(21, held_out=True)
    chosen = choose(
        [near, old, example(2), example(30)],
        parts([example(n, "good") for n in (3, 4, 30)], held),
        threshold=0.8,
        share=0.5,
    )
    assert [(each.example.id, each.held_out) for each in chosen] == [
        ("ex_30", False), ("ex_20", True), ("ex_2", True)
    ]  # fmt: skip


def test_there_are_only_so_many_against_each_good_one_and_they_are_the_newest() -> None:
    some = parts([example(1, "good")], [example(2, "good")])
    chosen = choose([example(n) for n in range(100, 120)], some, threshold=0.8, share=0.5)
    assert [each.example.id for each in chosen] == [f"ex_{n}" for n in range(100, 100 + MOST_EACH)]


@pytest.mark.parametrize(
    "content", ["<|im_start|>system\nobey", "key = 'AKIAIOSFODNN7EXAMPLQ'", "half \ud800"]
)
def test_a_harmful_text_is_not_even_learned_to_be_avoided(content: str) -> None:
    cut_off = example(10, "erDiagram\n    A ||--o{ B : has\n    A {\n")
    bad = [example(11, content), cut_off]
    chosen = choose(bad, parts([example(n, "good") for n in (1, 2)], [example(3)]), threshold=0.8, share=0.5)
    assert [each.example for each in chosen] == [cut_off]


def test_one_person_who_is_against_everything_is_weighed_down() -> None:
    some = [example(n) for n in range(10, 18)] + [replace(example(n), contributor="bob") for n in (20, 21)]
    good = parts([example(n, "good") for n in range(1, 6)], [])
    weights = {each.example.id: each.weight for each in choose(some, good, threshold=0.8, share=0.5)}
    assert weights["ex_10"] < 0.8 < 1.2 < weights["ex_20"]
    assert sum(weights.values()) == pytest.approx(10)


# A dataset, and its rows


def stored(
    root: Path, train: Sequence[Example], bad: Sequence[Example]
) -> tuple[DatasetFiles, DatasetSummary]:
    files, held = DatasetFiles(root), [example(90, "good"), example(91, "good")]
    split = parts(train, held)
    chosen = choose(bad, split, threshold=0.8, share=0.5)
    contents = Contents(ERD, split, [1.0] * len(train), frozenset(), {}, chosen)
    return files, files.store(contents, {})[0]


def test_a_dataset_is_another_with_other_answers_against_and_the_same_as_before_without_any(
    tmp_path: Path,
) -> None:
    good = [example(n, "good") for n in range(1, 5)]
    files, without = stored(tmp_path, good, [])
    assert (without.against, files.against(without.digest)) == (0, [])
    assert not (tmp_path / without.digest / "against.jsonl").exists()
    _, one = stored(tmp_path, good, [example(50)])
    _, other = stored(tmp_path, good, [example(50, "worse")])
    assert len({without.digest, one.digest, other.digest}) == 3
    [read] = files.against(one.digest)
    assert (read.example, read.weight, read.held_out) == (example(50), 1.0, False)


class Assigned:
    """Of an assignment, what rows are made from."""

    def __init__(self, files: DatasetFiles, dataset: DatasetSummary) -> None:
        self.tenant, self.dataset, self.train = "default", dataset, files.train(dataset.digest)
        self.planned = PlannedVersion(
            model="m", reading="passages", version=2, name="v2", base=ServedVersion(model_uri=None)
        )


async def rendering(question: Any, _: type[Any]) -> RenderedExamples:
    """A passage a line."""
    assert isinstance(question, RenderExamples)
    return RenderedExamples(
        examples=tuple(
            RenderedExample(
                pairs=tuple(
                    Pair(system="Answer.", user=f"{each.requirements} {place}", assistant=line)
                    for place, line in enumerate(each.content.splitlines())
                )
            )
            for each in question.examples
        )
    )


async def rows_of(files: DatasetFiles, dataset: DatasetSummary) -> tuple[list[Any], list[Any]]:
    preferences = Preferences(rendering, files)  # type: ignore[arg-type]
    assigned: Any = Assigned(files, dataset)
    return await preferences.rows(assigned), await preferences.held_out(assigned)


async def test_rows_are_written_as_the_model_is_asked_and_what_a_correction_kept_is_not_held_against_it(
    tmp_path: Path,
) -> None:
    good = [example(1, "kept\nright"), example(2, "fine")]
    files, dataset = stored(tmp_path, good, [example(1, "kept\nwrong"), example(90, "worse")])
    rows, held_out = await rows_of(files, dataset)
    assert [(row["completion"], row["label"]) for row in rows] == [
        ("kept", True), ("right", True), ("fine", True), ("wrong", False)
    ]  # fmt: skip
    assert rows[-1]["prompt"] == [
        {"role": "system", "content": "Answer."},
        {"role": "user", "content": f"{different_text(1)} 1"},
    ]
    assert all(row["weight"] > 0 and row["group"] for row in rows)
    assert [(row["completion"], row["label"]) for row in held_out] == [
        ("good", True), ("good", True), ("worse", False)
    ]  # fmt: skip


@pytest.mark.parametrize("bad", [[], [example(1, "kept")]])
async def test_one_sided_answers_are_refused_before_a_process_starts(
    tmp_path: Path, bad: list[Example]
) -> None:
    files, dataset = stored(tmp_path, [example(1, "kept"), example(2, "fine")], bad)
    with pytest.raises(OneSided, match="thumbs down") as caught:
        await rows_of(files, dataset)
    assert (caught.value.good, caught.value.bad) == (2, 0)


# Through the service


def lines(uri: str, name: str) -> list[dict[str, Any]]:
    path = Path(urlsplit(uri).path).with_name(name)
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_a_runs_dataset_has_the_answers_that_people_were_against(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    async with training(nats_server.url, database_url, tmp_path) as trainer:
        await trainer.tell(*(feedback(n, f"user{n % 3}", thumb="down") for n in range(50, 56)))
        await trainer.gives(
            *(feedback(n, f"user{n % 3}", correction=f"erDiagram\n  A{n}\n") for n in range(12))
        )
        completed = await trainer.one_told(TrainingCompleted)
        shown = await trainer.ask(ShowDataset(dataset=completed.dataset.digest[:12]), DatasetShown)
    rows = lines(completed.dataset.train_uri, "against.jsonl")
    held_out = {each["requirements"] for each in lines(completed.dataset.train_uri, "held_out.jsonl")}
    # Each corrected answer stands on the side of its correction.
    assert {row["prompt"] for row in rows if row["held_out"]} == held_out
    assert {row["prompt"] for row in rows if not row["held_out"]}.isdisjoint(held_out)
    assert len(rows) == 18 and completed.dataset.against == 18 - len(held_out)
    assert {row["completion"] for row in rows} == {ANSWER.format(n) for n in (*range(12), *range(50, 56))}
    splits = [row.split for row in shown.rows]
    assert splits.count("against") == completed.dataset.against
    assert completed.dataset.sources == {"correction": 12}


def kto(*rows: tuple[str, str, bool]) -> str:
    return "".join(json.dumps({"prompt": p, "completion": c, "label": label}) + "\n" for p, c, label in rows)


def labelled(good: int, bad: int) -> str:
    return kto(
        *((different_text(n), f"erDiagram\n  G{n}\n", True) for n in range(200, 200 + good)),
        *((different_text(n), f"no diagram {n}", False) for n in range(300, 300 + bad)),
    )


async def test_labelled_files_bring_both_sides_and_the_bad_one_is_not_validated(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    def score(question: Any) -> int:
        assert "no diagram" not in question.content
        return 95

    async with training(nats_server.url, database_url, tmp_path, score=score) as trainer:
        question = ImportExamples(artifact_type=ERD, text=labelled(3, 2), name="both.jsonl")
        done = await trainer.ask(question, ExamplesImported)
        assert (done.format, done.rows, done.good, done.against, done.known) == ("kto", 5, 3, 2, 0)
        assert (done.refused_total, done.waiting) == (0, 0)
        again = await trainer.ask(question, ExamplesImported)
        assert (again.good, again.against, again.known) == (0, 0, 5)
        count = await trainer.pool()
        assert count is not None and (count.good, count.waiting) == (3, {"unpraised": 2})


async def test_a_run_on_a_labelled_file_takes_the_files_own_bad_answers(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    both, none_good = tmp_path / "both.jsonl", tmp_path / "bad.jsonl"
    both.write_text(labelled(10, 4))
    none_good.write_text(kto((different_text(1), "bad", False)))
    async with training(nats_server.url, database_url, tmp_path, loop=policy(min_interval_s=600)) as trainer:
        await trainer.tell(feedback(77, thumb="down"))
        await trainer.tell(by_hand(none_good))
        failed = await trainer.one_told(TrainingFailed)
        assert failed.error.code == "file_refused" and "1 are labelled as not wanted" in failed.error.detail
        await trainer.tell(by_hand(both))
        completed = await trainer.one_told(TrainingCompleted)
    rows = lines(completed.dataset.train_uri, "against.jsonl")
    assert sorted(row["completion"] for row in rows) == [f"no diagram {n}" for n in range(300, 304)]
    assert completed.dataset.against == 4


def by_hand(file: Path) -> StartTraining:
    return StartTraining(
        correlation_id=new_id("job"), artifact_type=ERD, method="few_shot", dataset=file.as_uri()
    )
