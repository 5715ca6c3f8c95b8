"""From a seed to a Hugging Face folder, step by step."""

import json
import logging
import platform
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import torch
from tokenizers import Tokenizer

from hone_trainer.starter import corpus, export, tokenizer, training
from hone_trainer.starter.recipe import Recipe
from hone_trainer.starter.tokenizer import Vocabulary
from hone_trainer.starter.training import Run

DEFAULT_STEPS = 2700  # of the shipped model: an hour of one core

log = logging.getLogger(__name__)


def build(
    seed: int, out: Path, *, steps: int | None, minutes: float | None, resume: bool, threads: int
) -> Path:
    """Train the starter under `out` and return the folder with the result. Raises StarterError."""
    torch.set_num_threads(threads)
    recipe = Recipe(seed=seed)
    vocabulary = _vocabulary(recipe, out, resume=resume)
    run = training.start(recipe, vocabulary, out, resume=resume)
    log.info("%s, a vocabulary of %d", recipe, vocabulary.size)
    if minutes is None:
        training.train(run, steps or DEFAULT_STEPS)
    else:
        training.train(run, minutes=minutes)
    folder = out / "hf"
    export.write_folder(folder, run.model, vocabulary)
    _record(out, run, sum(tensor.numel() for tensor in export.weights(run.model).values()))
    return folder


def _record(out: Path, run: Run, parameters: int) -> None:
    """What the card needs to know of the training."""
    record = {
        "recipe": asdict(run.recipe),
        "corpus": run.corpus,
        "steps": run.step,
        "tokens_read": run.tokens_read,
        "passages_read": run.passages_read,
        "seconds": round(run.seconds),
        "parameters": parameters,
        "vocabulary": run.vocabulary.size,
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("torch", "tokenizers", "safetensors")},
        },
    }
    (out / "run.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _vocabulary(recipe: Recipe, out: Path, *, resume: bool) -> Vocabulary:
    """The tokenizer, trained on passages of a shard that training never reads; kept under `out`."""
    path = out / "tokenizer.json"
    if resume and path.exists():
        return Vocabulary(Tokenizer.from_file(str(path)))
    out.mkdir(parents=True, exist_ok=True)
    drawn = corpus.samples(recipe.seed, -1, recipe.tokenizer_samples)
    words = (word for s in drawn for word in f"{s.subject} {s.passage}".split())
    trained = tokenizer.train(words, recipe.merges)
    trained.save(str(path))
    return Vocabulary(trained)
