"""How much the starter learns of fifty corrected texts: `python bench/starter_learning.py [--json]`.

A team with conventions of its own (tests/support/team_texts.py) corrects fifty answers. The starter is fine-tuned on
them in a process of its own, converted to Q8_0 as it would ship, and reads texts of trades that no other text is of:
champion and fine-tuned model beside each other, then both on the splits of bench/starter.py, which say what of the
old skills is lost.
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import starter
from starter_engine import Engine
from starter_scores import Elements, Scores, elements_of

sys.path.append(str(Path(__file__).parent.parent / "tests/support"))
from team_texts import TeamText, texts

from hone_contracts import erd_facts
from hone_generator.artifacts.kind import Brief
from hone_generator.artifacts.mermaid_erd import reading
from hone_generator.artifacts.mermaid_erd.merge import Answer, merge
from hone_generator.artifacts.mermaid_erd.parse import parse
from hone_generator.teaching.alignment import align
from hone_trainer import finetune
from hone_trainer.finetune import pairs
from hone_trainer.finetune.events import Line
from hone_trainer.finetune.pairs import Pair
from hone_trainer.finetune.spec import Settings, Spec

KINDS = ("entities", "attributes", "relations")
DRAWS = 10_000  # of the bootstrap


@dataclass(frozen=True, slots=True)
class Made:
    """A fine-tuned model and what it cost."""

    gguf: Path
    figures: dict[str, Any]
    finetune_s: float
    finetune_cpu_s: float
    convert_s: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=starter.MODEL, help="the champion")
    parser.add_argument("--texts", type=int, default=50, help="corrected texts to learn from")
    parser.add_argument("--held-out", type=int, default=20, help="texts of other trades to read")
    parser.add_argument("--sentences", type=int, default=500, help="of each split of the old skills")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--settings", type=json.loads, default={}, help="other ones than usual, as JSON")
    parser.add_argument("--threads", type=int, default=1, help="of the reading; learning has its own setting")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = make(
            options.model.resolve(), texts(options.seed, options.texts), Path(folder), options.seed,
            Settings(**options.settings),
        )  # fmt: skip
        report = compare(options, {"champion": options.model, "fine-tuned": made.gguf})
    report["made"] = {
        "seconds": {"fine-tuning": made.finetune_s, "conversion": made.convert_s},
        "cpu_seconds": made.finetune_cpu_s,
        **made.figures,
    }
    print(json.dumps(report, indent=1) if options.json else table(report))
    return 0


def make(model: Path, corrected: list[TeamText], folder: Path, seed: int, settings: Settings) -> Made:
    """The loop's way to a new version: fine-tune in a process of its own, convert."""
    pool = pairs.write(folder / "pairs.jsonl", pairs_of(corrected))
    out, gguf = folder / "out", folder / "tuned.gguf"
    spec = Spec(base_gguf=model, pairs=pool, out=out, seed=seed, settings=settings).write(
        folder / "spec.json"
    )
    began, used = time.monotonic(), _children_cpu_s()
    told = subprocess.run(finetune.command(spec), stdout=subprocess.PIPE, text=True, check=False)
    last = Line.model_validate_json(told.stdout.splitlines()[-1])
    if last.stage != "finished":
        raise SystemExit(last.message)
    finetuned, used = time.monotonic(), _children_cpu_s() - used
    convert = [
        sys.executable,
        "-m",
        "hone_hub.convert",
        str(out / "hf"),
        "--out",
        str(gguf),
        "--quant",
        "q8_0",
    ]
    subprocess.run(convert, stdout=subprocess.DEVNULL, check=True)
    kept = {
        key: last.figures[key] for key in ("steps", "tokens_read", "held_back", "pairs_trained", "replayed")
    }
    return Made(
        gguf, kept, round(finetuned - began, 1), round(used, 1), round(time.monotonic() - finetuned, 1)
    )  # fmt: skip


def pairs_of(corrected: list[TeamText]) -> list[Pair]:
    """What the loop makes of requirements and correction: a question and its answer for each passage."""
    return [
        Pair(
            user=erd_facts.passage_prompt(passage.subject, passage.line),
            assistant=erd_facts.dumps(passage.facts),
            group=str(number),
        )
        for number, text in enumerate(corrected)
        for passage in align(text.requirements, parse(text.correct).diagram).passages
    ]


def compare(options: Namespace, models: dict[str, Path]) -> dict[str, Any]:
    """Both models on the held-out texts, and on what the starter could do before."""
    held_out = texts(options.seed, options.held_out, held_out=True)
    engines = {name: Engine(path, options.threads) for name, path in models.items()}
    began = time.monotonic()
    read = {
        name: [asyncio.run(scores_of(engine, text)) for text in held_out] for name, engine in engines.items()
    }
    reading_s = time.monotonic() - began
    report: dict[str, Any] = {
        "held_out": {name: total(scores).as_dict() for name, scores in read.items()},
        "gain": {kind: interval(read["champion"], read["fine-tuned"], kind, options.seed) for kind in KINDS},
        "seconds_of_evaluation": round(reading_s, 1),
        "old": {name: old_skills(engine, options.sentences) for name, engine in engines.items()},
    }
    return report


async def scores_of(engine: Engine, text: TeamText) -> Scores:
    """One text, read and merged as a user's is, beside what the team makes of it."""
    scores = Scores()
    async for event in reading.read(Brief(text.requirements, "passages"), engine.ask):
        if isinstance(event, reading.Reading):
            scores.add(elements_of(event.diagram), gold_of(text))
    return scores


def gold_of(text: TeamText) -> Elements:
    answers = [Answer(number, each.passage, each.facts) for number, each in enumerate(text.passages)]
    return elements_of(merge(answers))


def total(many: list[Scores]) -> Scores:
    summed = Scores()
    for scores in many:
        for kind in KINDS:
            into, one = getattr(summed, kind), getattr(scores, kind)
            into.right, into.said, into.gold = (
                into.right + one.right,
                into.said + one.said,
                into.gold + one.gold,
            )
    return summed


def interval(before: list[Scores], after: list[Scores], kind: str, seed: int) -> dict[str, float]:
    """The mean gain in F1 a text, and between what it lies in 95 of 100 draws of as many texts."""
    gains = [getattr(b, kind).f1 - getattr(a, kind).f1 for a, b in zip(before, after, strict=True)]
    rng = Random(seed)
    means = sorted(sum(rng.choices(gains, k=len(gains))) / len(gains) for _ in range(DRAWS))
    low, high = means[DRAWS // 40], means[-DRAWS // 40]
    return {"mean": round(sum(gains) / len(gains), 3), "low": round(low, 3), "high": round(high, 3)}


def old_skills(engine: Engine, sentences: int) -> dict[str, Any]:
    """What bench/starter.py measures."""
    asked = Namespace(seed=1, sentences=sentences, free=False, errors=0)
    found: dict[str, Any] = {split: starter.sentences(engine, asked, split) for split in ("names", "both")}
    found["empty"] = starter.empty_sentences(engine, asked)
    found["texts"] = asyncio.run(starter.texts(engine))
    return found


def table(report: dict[str, Any]) -> str:
    rows = [
        ("held-out texts of the team: " + " / ".join(KINDS), *(_f1(report["held_out"][m]) for m in _MODELS))
    ]
    names = {
        "names": "sentences, names never seen",
        "both": "names and phrasings never seen",
        "texts": "hand-written texts",
    }
    rows += [(names[split], *(_f1(report["old"][m][split]) for m in _MODELS)) for split in names]
    rows += [
        (
            "facts invented per empty sentence",
            *(str(report["old"][m]["empty"]["facts_each"]) for m in _MODELS),
        )
    ]
    gain, made = report["gain"]["relations"], report["made"]
    seconds = made["seconds"]
    told = (
        f"Relations of a held-out text: {gain['mean']:+.2f} (95 of 100: {gain['low']:+.2f} to {gain['high']:+.2f}).",
        f"Fine-tuning {seconds['fine-tuning']} s ({made['cpu_seconds']} s of CPU), {made['steps']} steps of",
        f"{made['tokens_read']} tokens together; conversion {seconds['conversion']} s; reading twice",
        f"{report['seconds_of_evaluation']} s.",
    )
    lines = ["| F1 | champion | fine-tuned |", "| --- | --- | --- |"]
    return "\n".join(
        [*lines, *(f"| {what} | {before} | {after} |" for what, before, after in rows), "", " ".join(told)]
    )


_MODELS = ("champion", "fine-tuned")


def _f1(scores: dict[str, dict[str, float]]) -> str:
    return " / ".join(f"{scores[kind]['f1']:.2f}" for kind in KINDS)


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    sys.exit(main())
