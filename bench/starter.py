"""How well the starter model reads: `python bench/starter.py [--model FILE] [--json]`.

Measures what issue 3 asks for, with the model as it ships (Q8_0), grounded and merged as a user sees it. The
sentence splits hold names and phrasings that training never saw; the texts under starter_texts/ were written by
hand by somebody who never saw the corpus, and nobody tunes for them.
"""

import argparse
import asyncio
import json
import statistics
import sys
from pathlib import Path
from typing import Any

from starter_engine import Engine
from starter_scores import Elements, Scores, elements_of, merged, relation_element, stated

from hone_contracts.erd_facts import Cardinality, Facts, dumps
from hone_generator.artifacts.kind import Brief
from hone_generator.artifacts.mermaid_erd import reading
from hone_generator.text.naming import identity
from hone_trainer.starter import corpus
from hone_trainer.starter.passages import Sample

HERE = Path(__file__).parent
MODEL = HERE.parent / "libs/hone/hone/starter/hone-starter-q8_0.gguf"
TEXTS = HERE / "starter_texts"
WINDOW = 12  # passages: the length of the text that is to be read in a second
GOALS: dict[str, tuple[float, ...]] = {
    "names": (0.97, 0.90, 0.94),
    "both": (0.86, 0.72, 0.72),
    "texts": (0.90, 0.68),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--seed", type=int, default=1, help="the seed the model was trained with")
    parser.add_argument("--sentences", type=int, default=1000, help="of each split")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--free", action="store_true", help="do not hold answers to the passage's words")
    parser.add_argument(
        "--errors", type=int, default=0, metavar="N", help="print N sentences a split that went wrong"
    )
    parser.add_argument("--no-texts", action="store_true", help="leave the hand-written texts out")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    engine = Engine(options.model, options.threads)
    report: dict[str, Any] = {
        "model": options.model.name,
        "sentences": options.sentences,
        "grounded": not options.free,
    }
    for split in ("names", "both"):
        report[split] = sentences(engine, options, split)
    report["empty"] = empty_sentences(engine, options)
    if not options.no_texts:
        report["texts"] = asyncio.run(texts(engine))
    report["not_read"] = len(engine.failures)
    report["table"] = table(report)
    print(json.dumps(report, indent=1) if options.json else report["table"])
    return 0


def sentences(engine: Engine, options: argparse.Namespace, split: str) -> dict[str, Any]:
    """Scores over the sentences of one held-out split."""
    scores, shown = Scores(), 0
    for drawn in corpus.evaluation_samples(options.seed, split, options.sentences):
        facts = engine.read(drawn.subject, drawn.passage, grounded=not options.free)
        scores.add(merged(drawn.passage, facts), merged(drawn.passage, drawn.facts))
        if shown < options.errors and facts != drawn.facts:
            shown += 1
            show(split, drawn, facts)
    return scores.as_dict()


def empty_sentences(engine: Engine, options: argparse.Namespace) -> dict[str, float]:
    """What is invented where nothing is stated, in kinds of sentences that training never saw."""
    drawn = corpus.evaluation_samples(options.seed, "empty", options.sentences)
    counts: list[int] = []
    shown = 0
    for sample in drawn:
        facts = engine.read(sample.subject, sample.passage, grounded=not options.free)
        counts.append(stated(facts))
        if facts and shown < options.errors:
            shown += 1
            show("empty", sample, facts)
    wrong = sum(count > 0 for count in counts)
    return {
        "facts_each": round(sum(counts) / len(counts), 3),
        "sentences_with_any": round(wrong / len(counts), 3),
    }


async def texts(engine: Engine) -> dict[str, Any]:
    """The hand-written texts, read and merged as a user's are."""
    scores, each = Scores(), {}
    seconds: list[float] = []
    for path in sorted(TEXTS.glob("*.json")):
        text = json.loads(path.read_text(encoding="utf-8"))
        engine.seconds.clear()
        async for event in reading.read(Brief(text["text"], "passages"), engine.ask):
            if isinstance(event, reading.Reading):
                said, gold, one = elements_of(event.diagram), gold_of(text), Scores()
                scores.add(said, gold)
                one.add(said, gold)
                each[path.stem] = {
                    "entities": round(one.entities.f1, 2),
                    "relations": round(one.relations.f1, 2),
                }
        seconds.extend(engine.seconds)
    windows = [sum(seconds[i : i + WINDOW]) for i in range(len(seconds) - WINDOW + 1)]
    timing = {"median": round(statistics.median(windows), 3), "worst": round(max(windows), 3)}
    return {**scores.as_dict(), "passages": len(seconds), "seconds_of_12_passages": timing, "each": each}


def gold_of(text: dict[str, Any]) -> Elements:
    relations: list[tuple[str, Cardinality, str]] = [tuple(r) for r in text["relations"]]
    return Elements(
        frozenset((identity(name),) for name in text["entities"]),
        frozenset((identity(e), identity(name)) for e, names in text["attributes"].items() for name in names),
        frozenset(relation_element(*relation) for relation in relations),
    )


def show(split: str, drawn: Sample, facts: Facts) -> None:
    lines = (
        f"{split} {drawn.kind}: {drawn.subject} | {drawn.passage}",
        f"  gold {dumps(drawn.facts)}",
        f"  said {dumps(facts)}",
    )
    print("\n".join(lines), file=sys.stderr)


def table(report: dict[str, Any]) -> str:
    """The table of issue 3 with what was measured beside each goal."""

    def f1(split: str, *kinds: str) -> str:
        return " / ".join(f"{report[split][kind]['f1']:.2f}" for kind in kinds)

    def goal(split: str) -> str:
        return " / ".join(f"{g:.2f}" for g in GOALS[split])

    kinds = ("entities", "attributes", "relations")
    rows = [
        (
            "sentences, names never seen: entities / attributes / relations",
            f1("names", *kinds),
            goal("names"),
        ),
        ("sentences, names and phrasings never seen", f1("both", *kinds), goal("both")),
        (
            "facts invented per empty sentence of an unseen kind",
            f"{report['empty']['facts_each']:.2f}",
            "≤ 0.15",
        ),
    ]
    if "texts" in report:
        time = report["texts"]["seconds_of_12_passages"]
        rows += [
            ("hand-written texts: entities / relations", f1("texts", "entities", "relations"), goal("texts")),
            (
                "12 passages of them, seconds: median / worst",
                f"{time['median']:.2f} / {time['worst']:.2f}",
                "≤ 1",
            ),
        ]
    lines = ["| what, grounded and merged | measured | goal |", "| --- | --- | --- |"]
    return "\n".join([*lines, *(f"| {what} | {got} | {wanted} |" for what, got, wanted in rows)])


if __name__ == "__main__":
    sys.exit(main())
