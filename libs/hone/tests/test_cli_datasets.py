"""`hone dataset`, as far as a running Hone answers it: the pool, its datasets, and files taken in."""

from __future__ import annotations

import json
from pathlib import Path

from calling_hone import Hone
from gateway_stand_in import Gateway
from starlette.responses import JSONResponse

DIGEST = "ab" * 32
SUMMARY = {
    "digest": DIGEST, "artifact_type": "mermaid_erd", "train": 40, "held_out": 10, "replayed": 8,
    "sources": {"correction": 42, "feedback": 8}, "train_uri": "file:///t", "held_out_uri": "file:///h",
}  # fmt: skip
STORED = {"summary": SUMMARY, "created_at": "2026-01-01T00:00:00Z", "run_id": None}
ROW = {
    "example": "ex_1",
    "split": "train",
    "source": "correction",
    "origin": "fb_1",
    "score": 92,
    "weight": 1.0,
}


def test_the_pool_says_what_the_next_run_waits_for(gateway: Gateway, hone: Hone) -> None:
    count = {
        "artifact_type": "mermaid_erd", "good": 51, "new": 12, "corrected": 9, "needed": 50,
        "waiting": {"weak": 3}, "holds": ["38 examples are missing"], "running": None,
    }  # fmt: skip
    gateway.answers["/api/pool"] = lambda _: JSONResponse({"types": [count]})
    heading, row = hone("dataset", "pool").out.splitlines()
    assert heading.split() == ["type", "good", "new", "of", "corrected", "waiting", "running", "holds"]
    assert row.split() == [
        "mermaid_erd",
        "51",
        "12",
        "50",
        "9",
        "3",
        "weak",
        "38",
        "examples",
        "are",
        "missing",
    ]
    assert json.loads(hone("dataset", "pool", "--json").out)["types"] == [count]


def test_datasets_are_listed_and_shown_with_where_each_example_came_from(
    gateway: Gateway, hone: Hone
) -> None:
    gateway.answers["/api/datasets"] = lambda _: JSONResponse({"datasets": [STORED]})
    row = hone("dataset", "ls", "--type", "mermaid_erd").out.splitlines()[1]
    assert row.split() == [
        "abababababab", "mermaid_erd", "40", "10", "8", "42", "correction,", "8", "feedback", "2026-01-01T00:00:00Z",
    ]  # fmt: skip
    shown = {"dataset": STORED, "report": {}, "parameters": {}, "rows": [ROW], "rows_total": 50}
    gateway.answers["/api/datasets/abababab"] = lambda _: JSONResponse(shown)
    result = hone("dataset", "show", "abababab", "--limit", "1")
    assert f"digest        {DIGEST}\n" in result.out
    assert "run           by hand\n" in result.out
    assert result.out.splitlines()[-1].split() == ["ex_1", "train", "correction", "fb_1", "92", "1.0"]
    assert result.err == "and 49 more: --offset 1\n"
    assert json.loads(hone("dataset", "show", "abababab", "--json").out) == shown
    assert hone("dataset", "show", "00000000").code == 3


def test_a_dataset_is_built_by_hand(gateway: Gateway, hone: Hone) -> None:
    gateway.answers["/api/datasets/build"] = lambda _: JSONResponse(SUMMARY)
    result = hone("dataset", "build", "--type", "mermaid_erd")
    assert result.out == f"{DIGEST}\n"  # alone: it goes into a pipe
    assert "40 examples to train on, 10 held out" in result.err
    assert gateway.body("/api/datasets/build") == {"type": "mermaid_erd"}


def test_a_file_is_taken_in_and_what_was_refused_is_told(
    gateway: Gateway, hone: Hone, tmp_path: Path
) -> None:
    taken = {
        "format": "messages", "rows": 4, "good": 1, "known": 1, "waiting": 0, "refused_total": 2,
        "refused": [{"row": 3, "reason": "no answer\x1b[31m"}],
    }  # fmt: skip
    gateway.answers["/api/datasets/import"] = lambda _: JSONResponse(taken)
    file = tmp_path / "a.jsonl"
    file.write_text("{}\n")
    result = hone("dataset", "import", str(file), "--type", "mermaid_erd")
    assert result == (
        0, "4 rows of messages: 1 good, 1 known, 0 waiting\n", "  row 3: no answer[31m\n  and 1 more were refused\n",
    )  # fmt: skip
    assert gateway.body("/api/datasets/import") == {"type": "mermaid_erd", "name": "a.jsonl", "text": "{}\n"}
    file.write_text("x" * 400_001)
    gateway.asked.clear()
    assert "the trainer reads it itself" in hone("dataset", "import", str(file), "-t", "mermaid_erd").err
    assert gateway.body("/api/datasets/import")["uri"] == file.as_uri()
    gateway.asked.clear()
    hone("dataset", "import", "s3://team/b.jsonl", "-t", "mermaid_erd")
    sent = gateway.body("/api/datasets/import")
    assert (sent["uri"], sent["name"]) == ("s3://team/b.jsonl", "b.jsonl")
    assert hone("dataset", "import", str(tmp_path / "none"), "-t", "mermaid_erd").code == 2
