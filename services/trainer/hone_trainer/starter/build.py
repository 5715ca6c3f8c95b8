"""From a seed to a Hugging Face folder, step by step."""

import logging
from pathlib import Path

from hone_trainer.starter import corpus, tokenizer
from hone_trainer.starter.errors import TorchMissing
from hone_trainer.starter.recipe import Recipe
from hone_trainer.starter.tokenizer import Vocabulary

DEFAULT_STEPS = 4000

log = logging.getLogger(__name__)


def build(
    seed: int, out: Path, *, steps: int | None, minutes: float | None, resume: bool, threads: int
) -> Path:
    """Train the starter under `out` and return the folder with the result. Raises StarterError."""
    try:
        import torch  # noqa: PLC0415 - only now: the coordinator runs without it

        from hone_trainer.starter import export, training  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise TorchMissing from error
    torch.set_num_threads(threads)
    recipe = Recipe(seed=seed)
    vocabulary = _vocabulary(recipe, out)
    run = training.start(recipe, vocabulary, out, resume=resume)
    log.info("%s, a vocabulary of %d", recipe, vocabulary.size)
    if minutes is None:
        training.train(run, steps or DEFAULT_STEPS)
    else:
        training.train(run, minutes=minutes)
    folder = out / "hf"
    export.write_folder(folder, run.model, vocabulary)
    return folder


def _vocabulary(recipe: Recipe, out: Path) -> Vocabulary:
    """The tokenizer, trained on passages of a shard that training never reads; kept under `out`."""
    path = out / "tokenizer.json"
    out.mkdir(parents=True, exist_ok=True)
    drawn = corpus.samples(recipe.seed, -1, recipe.tokenizer_samples)
    words = (word for s in drawn for word in f"{s.subject} {s.passage}".split())
    trained = tokenizer.train(words, recipe.merges)
    trained.save(str(path))
    return Vocabulary(trained)
