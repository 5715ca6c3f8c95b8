"""Where a run's base comes from: what a person named, the champion's adapter, the hub, or Hone's own file."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from hone_chassis import Permanent
from hone_chassis.database import Database
from hone_chassis.migrations import migrate
from hone_contracts.artifacts import ArtifactType
from hone_contracts.hub import Checkpoint, RequestCheckpoint
from hone_contracts.ids import new_id
from hone_contracts.registry import ServedVersion
from hone_contracts.training import PlannedVersion
from hone_trainer.app import HEAD
from hone_trainer.errors import BaseUnknown
from hone_trainer.runs import book, repeating
from hone_trainer.runs.origin import Origin, Origins
from hone_trainer.runs.tables import RunRow
from hone_trainer.tuning.settings import Layer, layers_of, resolve

MODEL = "llamacpp:small"


class Hub:
    """Knows checkpoints by what they are asked for as; the first answer to each is that it is being fetched."""

    def __init__(self, known: dict[str, Path]) -> None:
        self.known, self.asked = known, list[str]()

    async def __call__(self, question: Any, _answer: Any) -> Any:
        assert isinstance(question, RequestCheckpoint)
        self.asked.append(question.model)
        if question.model not in self.known:
            raise Permanent("no_checkpoint", "No checkpoint", "nobody knows where its weights come from", 422)
        if self.asked.count(question.model) == 1:
            return Checkpoint(done_bytes=1, total_bytes=2)
        return Checkpoint(uri=self.known[question.model].as_uri(), source=f"hf:{question.model}@0123")


class Told:
    """Of the progress."""

    def __init__(self) -> None:
        self.stages = list[str]()

    async def __call__(self, stage: str, *_: Any, **__: Any) -> None:
        self.stages.append(stage)


def planned(version: int = 1, uri: Path | None = None) -> PlannedVersion:
    base = ServedVersion(version=version, model_uri=uri.as_uri() if uri else None)
    return PlannedVersion(
        model=MODEL, reading="whole", version=version + 1, name=f"v{version + 1}", base=base
    )


class Book:
    def __init__(self, database: Database) -> None:
        self.database = database

    async def ran(self, version: int, base: int, method: str = "lora", **parameters: Any) -> None:
        """A run that succeeded."""
        run = RunRow(
            id=new_id("job"), tenant="default", artifact_type=ArtifactType.SQL_DDL, method=method, trigger="manual",
            state="succeeded", batch=new_id("b"), examples=1, parameters=parameters,
            planned=planned(base).model_copy(update={"version": version}).model_dump(mode="json"),
        )  # fmt: skip
        async with self.database.write() as session:
            values = run.model_dump() | {"finished_at": run.created_at}
            await (await session.connection()).execute(insert(book.RUNS), values)

    async def origin(self, hub: Hub, plan: PlannedVersion, told: str | None = None) -> Origin:
        return await Origins(hub, self.database).of("default", plan, told, Told())  # type: ignore[arg-type]


@pytest.fixture
async def runs(tmp_path: Path) -> Any:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/trainer.db", "trainer")
    await migrate(database, "hone_trainer", HEAD)
    yield Book(database)
    await database.aclose()


async def test_what_a_person_names_is_the_base(runs: Book, tmp_path: Path) -> None:
    hub = Hub({"hf:acme/small": tmp_path, tmp_path.as_uri(): tmp_path})
    found = await runs.origin(hub, planned(), "acme/small")
    assert (found.checkpoint, found.source, found.adapter) == (tmp_path, "hf:hf:acme/small@0123", None)
    assert (await runs.origin(hub, planned(), str(tmp_path))).checkpoint == tmp_path


async def test_a_checkpoint_is_asked_for_until_it_is_there(runs: Book, tmp_path: Path) -> None:
    hub, told = Hub({MODEL: tmp_path}), Told()
    found = await Origins(hub, runs.database).of("default", planned(), None, told)  # type: ignore[arg-type]
    assert (found.checkpoint, hub.asked, told.stages) == (tmp_path, [MODEL, MODEL], ["download"])


async def test_hones_own_model_is_its_file(runs: Book, tmp_path: Path) -> None:
    file = tmp_path / "own.gguf"
    file.touch()
    found = await runs.origin(Hub({}), planned(uri=file))
    assert (found.gguf, found.checkpoint) == (file, None)


async def test_without_weights_in_16_bits_the_run_is_refused(runs: Book) -> None:
    with pytest.raises(Permanent, match="nobody knows"):
        await runs.origin(Hub({}), planned())


async def test_a_run_goes_on_with_the_champions_adapter_on_the_champions_base(
    runs: Book, tmp_path: Path
) -> None:
    adapter, base = tmp_path / "adapter", tmp_path / "own.gguf"
    adapter.mkdir()
    base.touch()
    await runs.ran(2, 1, adapter_uri=adapter.as_uri(), source="own", gguf_uri=base.as_uri())
    found = await runs.origin(Hub({}), planned(2, uri=tmp_path / "v2.gguf"))
    assert (found.gguf, found.adapter, found.note) == (base, adapter, "")


async def test_a_few_shot_version_in_between_is_looked_through(runs: Book, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    await runs.ran(2, 1, adapter_uri=adapter.as_uri(), source="hf:acme/small@0123")
    await runs.ran(3, 2, "few_shot")
    found = await runs.origin(Hub({"hf:acme/small@0123": tmp_path}), planned(3))
    assert (found.adapter, found.checkpoint) == (adapter, tmp_path)


async def test_the_first_version_again_after_a_rollback_goes_on_with_no_adapter(
    runs: Book, tmp_path: Path
) -> None:
    await runs.ran(2, 1, adapter_uri=tmp_path.as_uri(), source="hf:acme/small@0123")
    assert (await runs.origin(Hub({MODEL: tmp_path}), planned(1))).adapter is None


async def test_an_adapter_that_is_gone_is_told_and_begun_anew(runs: Book, tmp_path: Path) -> None:
    await runs.ran(2, 1, adapter_uri=(tmp_path / "gone").as_uri(), source="hf:acme/small@0123")
    found = await runs.origin(Hub({"hf:acme/small@0123": tmp_path}), planned(2))
    assert (found.adapter, found.note) == (
        None,
        "the adapter of version 2 is gone: a new one begins on its base",
    )


def test_a_repeated_run_has_the_settings_that_were_picked_for_the_first_one() -> None:
    picked = {"micro_tokens": 512, "threads": 3, "device": "cpu"}
    then = resolve("lora", Layer("set", {"rank": 8, "targets": "q_proj,v_proj"})).picked(**picked)
    parameters = json.loads(json.dumps({"settings": then.record()}))  # as the database gives them back
    again = resolve("lora", *layers_of(repeating.decided(parameters)))
    assert again.settings == then.settings
    assert again.sources == then.sources


async def test_a_repeated_run_begins_where_the_first_one_did_or_not_at_all(
    runs: Book, tmp_path: Path
) -> None:
    origins = Origins(Hub({"own": tmp_path}), runs.database)  # type: ignore[arg-type]
    there = {"source": "own", "continues": tmp_path.as_uri()}
    assert (await origins.of_run(there, Told())).adapter == tmp_path  # type: ignore[arg-type]
    for gone in ({"continues": (tmp_path / "x").as_uri()}, {"gguf_uri": (tmp_path / "x.gguf").as_uri()}):
        with pytest.raises(BaseUnknown):
            await origins.of_run({"source": "own", **gone}, Told())  # type: ignore[arg-type]
