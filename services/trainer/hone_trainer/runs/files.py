"""Datasets as files: ``<digest>/train.jsonl``, ``held_out.jsonl``, ``dataset.json``. Written once, whole or not at
all.

``train.jsonl`` is in the chat messages format, so that every tool reads it, with what else an example has beside it.
``against.jsonl``, where there are answers that people were against, is in the format of KTO.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from hone_contracts.artifacts import ArtifactType
from hone_contracts.evaluation import HeldOutItem
from hone_contracts.pool import DatasetRow, DatasetSplit
from hone_contracts.training import DatasetSummary
from hone_trainer.errors import NoSuchDataset
from hone_trainer.examples import Example
from hone_trainer.runs.split import Split


@dataclass(frozen=True)
class Against:
    """An answer that people were against: the example's content. ``held_out``: it measures, and is not trained on."""

    example: Example
    weight: float
    held_out: bool


@dataclass(frozen=True)
class Contents:
    """All that a dataset's digest is made of."""

    artifact_type: ArtifactType
    split: Split
    weights: Sequence[float]
    replayed: frozenset[str]
    parameters: dict[str, Any]
    against: Sequence[Against] = ()


@dataclass(frozen=True)
class DatasetFiles:
    """The folder of all datasets."""

    root: Path

    def store(self, contents: Contents, report: dict[str, Any]) -> tuple[DatasetSummary, dict[str, Any]]:
        """The dataset's files are there. Stored again, it is the same files."""
        self.root.mkdir(parents=True, exist_ok=True)
        rows = _rows(contents)
        files = {"train.jsonl": _train_lines(contents), "held_out.jsonl": _held_out_lines(contents)}
        if contents.against:
            files["against.jsonl"] = _against_lines(contents)
        lineage = {
            "artifact_type": contents.artifact_type.value,
            "parameters": contents.parameters,
            "rows": [row.model_dump(mode="json") for row in rows],
        }
        digest = _digest(*files.values(), json.dumps(lineage, sort_keys=True))
        summary = self._summary(digest, contents, rows)
        told = {"summary": summary.model_dump(mode="json"), "report": report, **lineage}
        self._write(digest, files | {"dataset.json": json.dumps(told)})
        return summary, told

    def _summary(self, digest: str, contents: Contents, rows: Sequence[DatasetRow]) -> DatasetSummary:
        sources: dict[str, int] = {}
        for row in rows:
            if row.split in ("train", "held_out"):
                sources[row.source] = sources.get(row.source, 0) + 1
        folder = self.root / digest
        return DatasetSummary(
            digest=digest,
            artifact_type=contents.artifact_type,
            train=len(contents.split.train),
            held_out=len(contents.split.held_out),
            replayed=sum(1 for row in rows if row.replayed),
            against=sum(1 for row in rows if row.split == "against"),
            sources=sources,
            train_uri=(folder / "train.jsonl").as_uri(),
            held_out_uri=(folder / "held_out.jsonl").as_uri(),
        )

    def _write(self, digest: str, files: dict[str, str]) -> None:
        folder = self.root / digest
        if folder.exists():
            return
        unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=self.root))
        try:
            for name, text in files.items():
                with (unfinished / name).open("w", encoding="utf-8") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
            unfinished.chmod(0o755)
            unfinished.rename(folder)
        except OSError:
            shutil.rmtree(unfinished, ignore_errors=True)
            if not folder.exists():  # another worker stored the same at the same time
                raise

    def lineage(self, digest: str) -> dict[str, Any]:
        """``dataset.json``. Raises NoSuchDataset."""
        return json.loads(self._read(digest, "dataset.json"))  # type: ignore[no-any-return]

    def train(self, digest: str) -> list[tuple[Example, float]]:
        """What is trained on, with its weights. Raises NoSuchDataset."""
        return [_trained_of(json.loads(line)) for line in self._read(digest, "train.jsonl").splitlines()]

    def against(self, digest: str) -> list[Against]:
        """Answers that people were against. Raises NoSuchDataset."""
        self.lineage(digest)
        if not (self.root / digest / "against.jsonl").exists():
            return []
        return [_against_of(json.loads(line)) for line in self._read(digest, "against.jsonl").splitlines()]

    def held_out(self, digest: str) -> list[HeldOutItem]:
        """What measures, with what people made of it. Raises NoSuchDataset."""
        lines = self._read(digest, "held_out.jsonl").splitlines()
        return [HeldOutItem.model_validate_json(line) for line in lines]

    def _read(self, digest: str, name: str) -> str:
        try:
            return (self.root / digest / name).read_text("utf-8")
        except FileNotFoundError as error:
            raise NoSuchDataset(digest, f"its files are gone from {self.root}") from error


def _digest(*parts: str) -> str:
    whole = sha256()
    for part in parts:
        body = part.encode()
        whole.update(f"{len(body)}\n".encode())
        whole.update(body)
    return whole.hexdigest()


def _train_lines(contents: Contents) -> str:
    lines = []
    for example, weight in zip(contents.split.train, contents.weights, strict=True):
        messages = [
            {"role": "user", "content": example.requirements},
            {"role": "assistant", "content": example.content},
        ]
        group = str(contents.split.groups[example.id])
        lines.append(_line({"messages": messages} | _beside(contents, example, weight, group)))
    return "".join(lines)


def _against_lines(contents: Contents) -> str:
    lines = []
    for each in contents.against:
        said = {"prompt": each.example.requirements, "completion": each.example.content, "label": False}
        beside = _beside(contents, each.example, each.weight, "") | {"held_out": each.held_out}
        lines.append(_line(said | beside))
    return "".join(lines)


def _beside(contents: Contents, example: Example, weight: float, group: str) -> dict[str, Any]:
    """What else a row says of its example."""
    return {
        "reference": {
            "artifact_type": contents.artifact_type.value,
            "source": example.source,
            "origin": example.origin,
            "group": group,
        },
        "example": example.id,
        "weight": round(weight, 6),
        "score": example.score,
        "agreement": round(example.agreement, 6),
        "contributor": example.contributor,
        "corrected": example.corrected,
        "artifact_id": example.artifact_id,
        "context_text": example.context_text,
        "options": dict(example.options),
        "evidence": [dict(each) for each in example.evidence],
        "key": example.key,
    }


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=True) + "\n"


def _trained_of(record: dict[str, Any]) -> tuple[Example, float]:
    question, answer = record["messages"]
    return _example_of(record, question["content"], answer["content"]), float(record["weight"])


def _against_of(record: dict[str, Any]) -> Against:
    example = _example_of(record, record["prompt"], record["completion"])
    return Against(example, float(record["weight"]), bool(record["held_out"]))


def _example_of(record: dict[str, Any], requirements: str, content: str) -> Example:
    names = (
        "score",
        "agreement",
        "contributor",
        "corrected",
        "key",
        "artifact_id",
        "context_text",
        "options",
    )
    return Example(
        id=record["example"],
        source=record["reference"]["source"],
        origin=record["reference"]["origin"],
        requirements=requirements,
        content=content,
        evidence=tuple(record["evidence"]),
        **{name: record[name] for name in names},
    )


def _held_out_lines(contents: Contents) -> str:
    items = (
        HeldOutItem(
            item=example.id,
            requirements=example.requirements,
            context_text=example.context_text,
            options=dict(example.options),
            reference=example.content,
            # A right answer that a person brought is a reference as a correction is; one that was called good is the
            # champion's own more often than not.
            corrected=example.corrected or example.source == "import",
            group=str(contents.split.groups[example.id]),
        )
        for example in contents.split.held_out
    )
    return "".join(_line(item.model_dump(mode="json")) for item in items)


def _rows(contents: Contents) -> list[DatasetRow]:
    weights = {each.id: weight for each, weight in zip(contents.split.train, contents.weights, strict=True)}
    groups = contents.split.groups
    rows = [
        _lineage(
            each, "train" if each.id in weights else "held_out", weights.get(each.id, 1.0), groups[each.id]
        )
        for each in (*contents.split.train, *contents.split.held_out)
    ]
    rows = [row.model_copy(update={"replayed": row.example in contents.replayed}) for row in rows]
    for each in contents.against:
        split: DatasetSplit = "held_out_against" if each.held_out else "against"
        rows.append(_lineage(each.example, split, each.weight))
    return rows


def _lineage(example: Example, split: DatasetSplit, weight: float, group: int | None = None) -> DatasetRow:
    return DatasetRow(
        example=example.id,
        split=split,
        source=example.source,
        origin=example.origin,
        artifact_id=example.artifact_id,
        corrected=example.corrected,
        weight=round(weight, 6),
        group="" if group is None else str(group),
        score=example.score,
    )
