"""The pool and its datasets over HTTP: the trainer's answers, asked for within their bounds."""

from datetime import UTC, datetime
from typing import Any

from playing import Gateway
from test_other_services import answered
from test_requests import is_problem

from hone_chassis.errors import Permanent
from hone_contracts.artifacts import ArtifactType
from hone_contracts.pool import (
    BuildDataset,
    CountExamples,
    Datasets,
    DatasetShown,
    ExamplesImported,
    ImportExamples,
    ListDatasets,
    PoolCount,
    PoolCounts,
    ShowDataset,
    StoredDataset,
)
from hone_contracts.training import DatasetSummary

ERD = ArtifactType.MERMAID_ERD
SUMMARY = DatasetSummary(
    digest="ab" * 32,
    artifact_type=ERD,
    train=40,
    held_out=10,
    train_uri="file:///t",
    held_out_uri="file:///h",
)
STORED = StoredDataset(summary=SUMMARY, created_at=datetime(2026, 1, 1, tzinfo=UTC))


async def test_the_pool_and_its_datasets_are_shown(sqlite_gateway: Gateway) -> None:
    asked: list[Any] = []

    async def count(question: CountExamples) -> PoolCounts:
        asked.append(question.artifact_type)
        return PoolCounts(types=(PoolCount(artifact_type=ERD, good=51, new=2, corrected=1, needed=50),))

    async def listed(question: ListDatasets) -> Datasets:
        asked.append((question.artifact_type, question.limit))
        return Datasets(datasets=(STORED,))

    async def show(question: ShowDataset) -> DatasetShown:
        asked.append((question.dataset, question.offset, question.limit))
        if question.dataset.startswith("00"):
            raise Permanent("no_such_dataset", "There is no such dataset", "No dataset 00.", 404)
        return DatasetShown(dataset=STORED, rows=(), rows_total=50)

    http = sqlite_gateway.http
    async with (
        answered(sqlite_gateway, CountExamples, count),
        answered(sqlite_gateway, ListDatasets, listed),
        answered(sqlite_gateway, ShowDataset, show),
    ):
        assert (await http.get("/api/pool")).json()["types"][0]["good"] == 51
        await http.get("/api/pool?type=mermaid_erd")
        datasets = (await http.get("/api/datasets?type=mermaid_erd&limit=3")).json()
        assert datasets["datasets"][0]["summary"]["digest"] == "ab" * 32
        assert (await http.get("/api/datasets/abababab?offset=10&limit=20")).json()["rows_total"] == 50
        is_problem(await http.get("/api/datasets/00000000"), 404, "no_such_dataset")
    assert asked == [None, ERD, (ERD, 3), ("abababab", 10, 20), ("00000000", 0, 100)]
    for path in (
        "pool?type=uml",
        "datasets?limit=0",
        "datasets/short",
        "datasets/abababab?limit=501",
        "datasets/ABABABAB",
    ):
        is_problem(await http.get(f"/api/{path}"), 422, "invalid_request")  # fmt: skip


async def test_a_dataset_is_built_and_a_file_taken_in(sqlite_gateway: Gateway) -> None:
    asked: list[Any] = []

    async def build(question: BuildDataset) -> DatasetSummary:
        asked.append(question)
        return SUMMARY

    async def take(question: ImportExamples) -> ExamplesImported:
        asked.append(question)
        return ExamplesImported(format="messages", rows=3, good=2, known=0, waiting=0, refused_total=1)

    http, key = sqlite_gateway.http, {"Idempotency-Key": "b"}
    async with (
        answered(sqlite_gateway, BuildDataset, build),
        answered(sqlite_gateway, ImportExamples, take),
    ):
        built = await http.post("/api/datasets/build", json={"type": "mermaid_erd"}, headers=key)
        again = await http.post("/api/datasets/build", json={"type": "mermaid_erd"}, headers=key)
        taken = await http.post("/api/datasets/import", json={"type": "mermaid_erd", "text": "{}\n"})
        uri = {"type": "mermaid_erd", "uri": "s3://b/k.jsonl", "name": "k.jsonl"}
        assert (await http.post("/api/datasets/import", json=uri)).status_code == 200
    assert built.json() == again.json() == SUMMARY.model_dump(mode="json")
    assert taken.json()["good"] == 2
    assert len(asked) == 3
    assert (asked[1].text, asked[1].user, asked[1].name) == ("{}\n", "bootstrap/import", "import")
    assert (asked[2].uri, asked[2].name) == ("s3://b/k.jsonl", "k.jsonl")
    cases: list[tuple[str, Any]] = [
        ("build", {}),
        ("build", {"type": "uml"}),
        ("import", {"type": "mermaid_erd"}),
        ("import", {"type": "mermaid_erd", "text": "a", "uri": "s3://b/k"}),
        ("import", {"type": "mermaid_erd", "uri": "a\nb"}),
        ("import", {"type": "mermaid_erd", "text": "a", "name": "a\x1b[0m"}),
    ]
    for verb, body in cases:
        is_problem(await http.post(f"/api/datasets/{verb}", json=body), 422, "invalid_request")
    large = {"type": "mermaid_erd", "text": "x" * 600_000}
    is_problem(await http.post("/api/datasets/import", json=large), 413, "body_too_large")
