"""Hone's own small model as a base: unpacked from the GGUF that is served, with rows of what it could do before.

Every version of it is a file that Hone made, and the file's weights are all there ever was of a version. What is
learned is added to what those weights say, so nothing is lost by their being rounded once already.
"""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from hone_contracts import erd_facts
from hone_trainer.finetune import base, from_gguf
from hone_trainer.finetune.lessons import CORPUS_SEED
from hone_trainer.starter import corpus, export
from hone_trainer.starter.passages import Sample

_FIRST_SHARD = 1000  # far beyond those that the starter was trained on
_PROBES = 64


def unpack(gguf: Path, folder: Path) -> None:
    """Write the folder in Hugging Face's layout that the file was made of. Raises BaseUnreadable, BaseUnsupported."""
    described = from_gguf.describe(gguf)
    model = base.Tuned(described.shape)
    base.fill(gguf, model, described)
    export.write_folder(folder, model, described.vocabulary)


def with_replay(rows: Path, share: float, seed: int, out: Path) -> int:
    """Write ``out``: the rows, and so many new passages of the starter's own corpus that they are ``share`` of all;
    how many. Without them the relations that it knew are lost first."""
    with rows.open("rb") as source, out.open("wb") as target:
        taught = 0
        for line in source:
            target.write(line)
            taught += 1
        count = round(taught * share / (1 - share))
        drawn = corpus.samples(CORPUS_SEED, _FIRST_SHARD + seed, count)
        for number, row in enumerate(_rows(drawn)):
            target.write(json.dumps(row | {"group": f"replay-{number}"}).encode() + b"\n")
    return count


def old_skills(out: Path) -> None:
    """Rows of passages whose names and phrasings the starter never saw: their loss tells what is forgotten."""
    drawn = islice(corpus.evaluation_samples(CORPUS_SEED, "both", _PROBES), _PROBES)
    out.write_text("".join(json.dumps(row) + "\n" for row in _rows(drawn)), encoding="utf-8")


def _rows(drawn: Iterator[Sample]) -> Iterator[dict[str, object]]:
    for each in drawn:
        yield {
            "messages": [
                {"role": "user", "content": erd_facts.passage_prompt(each.subject, each.passage)},
                {"role": "assistant", "content": erd_facts.dumps(each.facts)},
            ],
            "weight": 1.0,
        }
