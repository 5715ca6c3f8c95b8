"""Files of examples: each is validated before it counts, none twice, and what is refused is named with its reason."""

import json
from pathlib import Path
from typing import Any

import pytest
from feedbacks import ERD, different_text, feedback
from loop_parts import policy, training
from running import until

from hone_chassis import RemoteError
from hone_contracts.ids import new_id
from hone_contracts.pool import ExamplesImported, ImportExamples
from hone_contracts.training import StartTraining, TrainingCompleted, TrainingFailed


def alpaca(*rows: tuple[str, str]) -> str:
    return "".join(json.dumps({"instruction": q, "input": "", "output": a}) + "\n" for q, a in rows)


def some(count: int, first: int = 100) -> str:
    return alpaca(*((different_text(n), f"erDiagram\n  I{n}\n") for n in range(first, first + count)))


def by_hand(dataset: str) -> StartTraining:
    return StartTraining(correlation_id=new_id("job"), artifact_type=ERD, method="few_shot", dataset=dataset)


async def test_rows_are_validated_counted_once_and_refused_with_reasons(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    def score(question: Any) -> int:
        return 20 if "bad" in question.content else 95

    async with training(nats_server.url, database_url, tmp_path, score=score) as trainer:
        fenced = (different_text(3), "```mermaid\nerDiagram\n  C\n```")
        text = alpaca(
            (different_text(1), "erDiagram\n  A\n"), (different_text(1), "erDiagram\n  A\n"),
            (different_text(2), "bad"), fenced, ("", "nothing was asked"),
        ) + "no JSON\n"  # fmt: skip
        done = await trainer.ask(ImportExamples(artifact_type=ERD, text=text, name="f"), ExamplesImported)
        assert (done.format, done.rows, done.good, done.known, done.waiting) == ("alpaca", 6, 2, 1, 0)
        reasons = {each.row: each.reason for each in done.refused}
        assert done.refused_total == 3 and set(reasons) == {3, 5, 6}
        assert "20" in reasons[3] and "85" in reasons[3]
        count = await trainer.pool()
        assert count is not None and (count.new, count.waiting) == (2, {"refused": 1})
        assert any(each.content == "erDiagram\n  C\n" for each in trainer.others.asked)

        again = await trainer.ask(ImportExamples(artifact_type=ERD, text=text, name="g"), ExamplesImported)
        assert (again.good, again.known) == (0, 4)


async def test_what_cannot_be_validated_at_once_waits_and_is_validated_later(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    async with training(nats_server.url, database_url, tmp_path, set_import_answer_s=0.000001) as trainer:
        done = await trainer.ask(ImportExamples(artifact_type=ERD, text=some(8)), ExamplesImported)
        assert done.good + done.waiting == 8 and done.waiting
        await until(trainer.pool, lambda count: count is not None and count.new == 8)


@pytest.mark.parametrize("text", ["", "no format at all", "PK\x03\x04"])
async def test_a_file_of_no_known_format_is_refused_as_a_whole(
    nats_server: Any, tmp_path: Path, text: str
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    async with training(nats_server.url, url, tmp_path) as trainer:
        question = ImportExamples(artifact_type=ERD, text=text)
        if not text:
            assert (await trainer.ask(question, ExamplesImported)).rows == 0
            return
        with pytest.raises(RemoteError) as caught:
            await trainer.ask(question, ExamplesImported)
        assert caught.value.body.code == "file_refused"


async def test_files_outside_the_folders_that_may_be_read_are_refused(
    nats_server: Any, tmp_path: Path
) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (tmp_path / "secret.jsonl").write_text(some(3))
    (allowed / "link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (allowed / "mine.jsonl").write_text(some(3))
    async with training(nats_server.url, url, tmp_path / "data", set_file_roots=str(allowed)) as trainer:
        for uri in (
            (tmp_path / "secret.jsonl").as_uri(),
            f"{allowed}/../secret.jsonl",
            f"{allowed}/link.jsonl",
        ):
            with pytest.raises(RemoteError, match="outside"):
                await trainer.ask(ImportExamples(artifact_type=ERD, uri=uri), ExamplesImported)
        mine = ImportExamples(artifact_type=ERD, uri=(allowed / "mine.jsonl").as_uri())
        assert (await trainer.ask(mine, ExamplesImported)).good == 3


async def test_a_run_on_a_file_trains_on_its_good_rows(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text(some(10) + alpaca(("What?", "bad")))

    def score(question: Any) -> int:
        return 20 if question.content == "bad" else 95

    async with training(nats_server.url, database_url, tmp_path, score=score) as trainer:
        await trainer.gives(feedback(1))
        await trainer.tell(by_hand(file.as_uri()))
        await trainer.run_in("deploying")
        completed = await trainer.one_told(TrainingCompleted)
        dataset = completed.dataset
        assert (dataset.train + dataset.held_out, dataset.sources) == (10, {"import": 10})
        count = await trainer.pool()
        assert count is not None and count.new == 1  # what was in the pool waits for its own batch


async def test_a_run_on_a_dataset_that_is_there_uses_it_as_it_is(
    nats_server: Any, database_url: str, tmp_path: Path
) -> None:
    loop = policy(min_interval_s=600)  # no run starts by itself with the examples that come back
    async with training(nats_server.url, database_url, tmp_path, loop=loop) as trainer:
        await trainer.gives(*(feedback(n, f"user{n % 3}") for n in range(12)))
        first = await trainer.one_told(TrainingCompleted)
        run = await trainer.run_in("deploying")
        await trainer.cancel(run.run_id)
        await trainer.tell(by_hand(first.dataset.digest[:10]))
        await trainer.run_in("deploying")
        both = await trainer.told(TrainingCompleted)
        assert [each.dataset for each in both] == [first.dataset] * 2


async def test_a_run_on_no_dataset_says_so(nats_server: Any, tmp_path: Path) -> None:
    url = f"sqlite+aiosqlite:///{tmp_path / 'test.db'}"
    async with training(nats_server.url, url, tmp_path) as trainer:
        await trainer.tell(by_hand("0123456789ab"))
        failed = await trainer.one_told(TrainingFailed)
        assert failed.error.code == "no_such_dataset"
        assert (await trainer.run_in("failed")).error == failed.error
