"""From a spec to a folder with the result, which appears whole or not at all."""

import json
import math
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from hone_trainer.finetune import base, lessons, loop, pairs
from hone_trainer.finetune.base import Base
from hone_trainer.finetune.errors import OutTaken, PairsInvalid
from hone_trainer.finetune.events import Line
from hone_trainer.finetune.lessons import Lesson
from hone_trainer.finetune.loop import Step
from hone_trainer.finetune.spec import Spec
from hone_trainer.starter import corpus, export
from hone_trainer.starter.checkpoint import digest
from hone_trainer.starter.tokenizer import PAD
from hone_trainer.whole_folder import whole_or_not

_OLD_SKILLS = 64  # passages: their loss tells what is forgotten, and takes a tenth of a second
_RECORD = "run.json"
Tell = Callable[[Line], None]


def finetune(spec: Spec, tell: Tell) -> dict[str, Any]:
    """Do what the spec says and return the figures of run.json. A result that is there already, of the same inputs,
    is taken as it is: a run that is started again ends once. Raises FinetuneError, and what `tell` raises, which
    ends the run."""
    began = time.monotonic()
    torch.set_num_threads(spec.settings.threads)
    torch.use_deterministic_algorithms(True)
    inputs = _inputs(spec)
    if (done := _done(spec.out, inputs)) is not None:
        return done
    tell(Line(stage="base", message=f"reading {(spec.base_gguf or spec.base_hf or spec.out).name}"))
    start = base.load(spec)
    course = _course(spec, start, tell)
    with whole_or_not(spec.out) as folder:
        steps = _train(spec, start, course, folder, tell)
        tell(Line(stage="writing", message="writing the model"))
        export.write_folder(folder / "hf", start.model, start.vocabulary)
        record = {**inputs, **_figures(course, steps), "seconds": round(time.monotonic() - began, 2)}
        (folder / _RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return record


@dataclass(frozen=True, slots=True)
class _Course:
    """What a run reads: the pool without what is kept back, and the starter's own corpus."""

    taught: list[list[Lesson]]
    """As each epoch reads it."""

    again: list[Lesson]
    kept: list[Lesson]
    trained: int
    too_long: int


def _course(spec: Spec, start: Base, tell: Tell) -> _Course:
    settings, vocabulary = spec.settings, start.vocabulary
    train, kept = pairs.held_back(pairs.read(spec.pairs), settings.held_back_share, spec.seed)
    (once, long), (unseen, _) = (lessons.of_pairs(vocabulary, some, spec.pairs) for some in (train, kept))
    if not once:
        raise PairsInvalid(spec.pairs, None, "holds no pair that the model's context has room for")
    taught = lessons.epochs(vocabulary, train, settings, spec.seed, spec.pairs)
    read = sum(len(lesson.tokens) for epoch in taught for lesson in epoch)
    share = settings.replay_share / (1 - settings.replay_share)
    again = lessons.replay(vocabulary, spec.seed, round(read * share))
    tell(Line(stage="data", message=f"{len(once)} pairs, {len(again)} passages of the starter's corpus"))
    return _Course(taught, again, unseen, len(once), long)


def _train(spec: Spec, start: Base, course: _Course, folder: Path, tell: Tell) -> list[Step]:
    order = lessons.mixed(course.taught, course.again, spec.seed)
    batches = list(lessons.batches(order, spec.settings.batch_tokens, start.vocabulary.id(PAD)))
    held_back = {"pool": course.kept, "corpus": lessons.old_skills(start.vocabulary, _OLD_SKILLS)}
    before = loop.mean_losses(start.model, held_back)
    steps = [Step(0, math.nan, before, 0.0, 0, 0.0)]
    with (folder / "metrics.jsonl").open("w", encoding="utf-8") as metrics:
        metrics.write(json.dumps({"step": 0, "held_back": before}) + "\n")
        for step in loop.train(start.model, batches, held_back, spec.settings):
            steps.append(step)
            metrics.write(json.dumps(_measured(spec, step)) + "\n")
            tell(
                Line(stage="training", done=step.number, total=len(batches), message=f"loss {step.loss:.4f}")
            )
    return steps


def _measured(spec: Spec, step: Step) -> dict[str, Any]:
    settings = spec.settings
    rates = {"muon": settings.muon_lr * step.pace, "adam": settings.adam_lr * step.pace}
    held_back = {"held_back": step.held_back} if step.held_back else {}
    return {
        "step": step.number, "loss": step.loss, **held_back, "lr": rates, "tokens_per_s": round(step.tokens_per_s),
    }  # fmt: skip


def _figures(course: _Course, steps: list[Step]) -> dict[str, Any]:
    """What came of it. The losses before and after are of what was never trained on."""
    measured = [step.held_back for step in steps if step.held_back]
    return {
        "pairs_trained": course.trained,
        "pairs_held_back": len(course.kept),
        "pairs_too_long": course.too_long,
        "replayed": len(course.again),
        "steps": steps[-1].number,
        "tokens_read": sum(step.tokens for step in steps),
        "loss": steps[-1].loss,
        "held_back": {"before": measured[0], "after": measured[-1]},
    }


def _inputs(spec: Spec) -> dict[str, Any]:
    """What makes a run the same as another."""
    files = [spec.base_gguf, spec.base_hf and spec.base_hf / "model.safetensors"]
    return {
        "seed": spec.seed,
        "settings": spec.settings.model_dump(),
        "base": {path.name: digest(path) for path in files if path is not None and path.is_file()},
        "pairs": digest(spec.pairs) if spec.pairs.is_file() else None,
        "corpus": corpus.fingerprint(lessons.CORPUS_SEED),
        "versions": {
            "python": platform.python_version(),
            **{
                name: version(name)
                for name in ("hone-trainer", "torch", "numpy", "tokenizers", "safetensors")
            },
        },
        "machine": platform.machine(),
    }


def _done(out: Path, inputs: dict[str, Any]) -> dict[str, Any] | None:
    if not out.exists():
        return None
    try:
        record: dict[str, Any] = json.loads((out / _RECORD).read_bytes())
    except (OSError, ValueError) as error:
        raise OutTaken(out) from error
    if any(record.get(key) != value for key, value in json.loads(json.dumps(inputs)).items()):
        raise OutTaken(out)
    return record
