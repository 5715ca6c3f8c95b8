"""`python -m hone_trainer.starter.card --run DIR --model FILE --scores FILE --out DIR`

Writes MODEL_CARD.md and provenance.json beside the model: what it is, how it was made, how well it reads.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from hone_trainer.starter.checkpoint import digest
from hone_trainer.starter.lexicon import Lexicon, Split, read_sections

PROVENANCE = "provenance.json"
CARD = "MODEL_CARD.md"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m hone_trainer.starter.card", description=__doc__)
    parser.add_argument("--run", type=Path, required=True, help="the --out folder of the training")
    parser.add_argument("--model", type=Path, required=True, help="the GGUF file that ships")
    parser.add_argument("--scores", type=Path, required=True, help="what `bench/starter.py --json` printed")
    parser.add_argument("--out", type=Path, required=True, help="folder for the card")
    options = parser.parse_args(arguments)
    scores = json.loads(options.scores.read_text(encoding="utf-8"))
    run = json.loads((options.run / "run.json").read_text(encoding="utf-8"))
    provenance = {
        "model": options.model.name,
        "sha256": digest(options.model),
        "size_bytes": options.model.stat().st_size,
        "safetensors_sha256": digest(options.run / "hf/model.safetensors"),
        **run,
        "corpus": {"fingerprint": run["corpus"], **corpus_figures(run["recipe"]["seed"])},
        "scores": scores,
    }
    (options.out / PROVENANCE).write_text(json.dumps(provenance, indent=1) + "\n", encoding="utf-8")
    (options.out / CARD).write_text(card(provenance, scores), encoding="utf-8")
    return 0


def corpus_figures(seed: int) -> dict[str, dict[str, int]]:
    """How many phrasings and words there are, and how many of them training never sees."""
    lexicon = Lexicon(seed)

    def both(*splits: Split) -> dict[str, int]:
        return {
            "trained": sum(len(set(split.seen)) for split in splits),
            "held_out": sum(len(split.held) for split in splits),
        }

    kinds = [kind for kind in read_sections("empty.txt") if kind]
    return {
        "verb_phrases": both(*lexicon.verbs.values()),
        "relation_templates": both(*lexicon.relations.values()),
        "attribute_templates": both(*lexicon.attributes_of.values()),
        "mention_templates": both(*lexicon.mentions.values()),
        "empty_templates": both(lexicon.empties),
        "empty_kinds": {
            "trained": len(kinds) - len(lexicon.held_kinds()),
            "held_out": len(lexicon.held_kinds()),
        },
        "entity_names": both(lexicon.entities),
        "other_words": both(lexicon.words),
        "attribute_names": both(lexicon.attribute_names),
        "function_phrases": {
            "trained": sum(len(set(lines)) for lines in lexicon.closed.values()),
            "held_out": 0,
        },
    }


def card(provenance: dict[str, Any], scores: dict[str, Any]) -> str:
    template = (Path(__file__).parent / "model_card.md").read_text(encoding="utf-8")
    recipe, corpus = provenance["recipe"], provenance["corpus"]
    figures = {
        **{name: str(value) for name, value in recipe.items()},
        "sha256": provenance["sha256"],
        "size_mb": f"{provenance['size_bytes'] / 1e6:.1f}",
        "parameters_m": f"{provenance['parameters'] / 1e6:.2f}",
        "vocabulary": str(provenance["vocabulary"]),
        "steps": str(provenance["steps"]),
        "tokens_m": f"{provenance['tokens_read'] / 1e6:.1f}",
        "passages": f"{provenance['passages_read']:,}",
        "minutes": f"{provenance['seconds'] / 60:.0f}",
        "score_table": scores["table"],
        "texts_detail": _detail(scores.get("texts", {})),
        "stages": _stages(provenance.get("stages", [])),
        "corpus_table": "\n".join(
            f"| {name.replace('_', ' ')} | {count['trained']} | {count['held_out']} |"
            for name, count in corpus.items()
            if isinstance(count, dict)
        ),
    }
    for name, value in figures.items():
        template = template.replace(f"{{{name}}}", value)
    return template


def _detail(texts: dict[str, Any]) -> str:
    """Precision and recall, which F1 hides."""
    kinds = [kind for kind in ("entities", "attributes", "relations") if kind in texts]
    return "; ".join(
        f"{kind} precision {texts[kind]['precision']:.2f}, recall {texts[kind]['recall']:.2f}"
        for kind in kinds
    )


def _stages(stages: list[dict[str, Any]]) -> str:
    """What to say of a run whose corpus was changed on the way; nothing where it was not."""
    if len(stages) < 2:
        return ""
    told = "; ".join(f"to step {stage['to_step']} that of commit {stage['commit']}" for stage in stages)
    return (
        f"The shipped file was trained in {len(stages)} stages, because the corpus was bettered on the way: {told}. "
        "A rebuild uses the last one from the start.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
