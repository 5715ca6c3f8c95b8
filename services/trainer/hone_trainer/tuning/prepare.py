"""The first phase: everything that can be found wrong, or decided, before time is spent. It reads no weights."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from hone_trainer.finetune.events import Line
from hone_trainer.tuning import (
    fingerprint,
    kto,
    launching,
    merging,
    own_base,
    parity,
    prediction,
    settled,
    tracking,
)
from hone_trainer.tuning.base import Reading, context_of, load_tokenizer
from hone_trainer.tuning.data.batches import plan
from hone_trainer.tuning.data.tokenised import Tokenised, tokenise
from hone_trainer.tuning.errors import Cancelled, NothingTrained
from hone_trainer.tuning.held_out import keep_back
from hone_trainer.tuning.prepared import Prepared
from hone_trainer.tuning.settings import Settings
from hone_trainer.tuning.shards import open_shards, tensors_of
from hone_trainer.tuning.spec import OLD_SKILLS, Spec

Tell = Callable[[Line], None]
_MEASURES = 8
_SMALL_BYTES = 200_000_000


def prepare(spec: Spec, tell: Tell, ending: Callable[[], bool]) -> dict[str, Any]:
    """Writes ``out/prepared.json`` and ``out/parity/``; the figures. Raises TuningError, BadSetting."""
    resolved = spec.resolved()
    tracking.check(resolved.settings)
    launching.check(resolved.settings)
    spec.out.mkdir(parents=True, exist_ok=True)
    tell(Line(stage="checking", message=f"reading {spec.checkpoint.name}"))
    if spec.gguf is not None:
        own_base.unpack(spec.gguf, spec.checkpoint)
        own_base.old_skills(spec.out / OLD_SKILLS)
    merging.check_unquantized(spec.checkpoint)
    reading = load_tokenizer(spec.checkpoint)
    if spec.adapter is not None:
        merging.check(spec.checkpoint, spec.adapter)
    resolved = resolved.picked(**settled.earlier(spec.kept))
    resolved = resolved.picked(
        most_tokens=context_of(spec.checkpoint), **_of_machine(resolved.settings, spec.checkpoint)
    )
    train, held_out = _data(spec, reading, resolved.settings, tell, ending)
    if spec.kind == "kto":
        kto.balance(train, resolved.settings)  # raises where one of the two sides is missing
    resolved, predicted = prediction.decide(spec.checkpoint, resolved, train, held_out, spec.out)
    steps = _steps(train, resolved.settings)
    every = max(1, steps // _MEASURES)
    resolved = resolved.picked(eval_every=every, save_every=every)
    parity.write_samples(spec.out / "parity", spec.checkpoint, reading, spec.train)
    prepared = Prepared(
        settings=resolved.decided(),
        sources=dict(resolved.sources),
        base=fingerprint.fingerprint(spec.checkpoint),
        train=train.folder,
        held_out=held_out.folder,
        pad_id=reading.pad_id,
        steps=steps,
        figures={
            "steps": steps,
            "predicted": predicted,
            "train": train.report.figures(),
            "held_out": held_out.report.figures(),
        },
        notes=reading.repairs,
    )
    prepared.write(spec.out)
    settled.keep(spec.kept, resolved)
    return {"settings": resolved.record(), **prepared.figures, "notes": list(prepared.notes)}


def _of_machine(settings: Settings, checkpoint: Path) -> dict[str, Any]:
    device = settings.device
    if device == "auto":
        device = (
            "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
        )
    on_card = "bf16" if device == "cuda" and torch.cuda.is_bf16_supported() else "fp16"
    return {
        "device": device,
        "dtype": on_card if device == "cuda" else "fp32",
        "threads": _threads(device, checkpoint, settings.processes),
        # Rows of sequences that are blind to each other need the score of every pair of a row on a CPU; there, rows
        # of about one length waste less.
        "packing": device == "cuda",
    }


def _threads(device: str, checkpoint: Path, processes: int) -> int:
    """A small model's threads would wait for each other, and for whatever else the cores do meanwhile."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    weights_bytes = sum(each.size_bytes for each in tensors_of(open_shards(checkpoint)).values())
    if device != "cpu" or weights_bytes < _SMALL_BYTES:
        return 1
    return max(1, cores // processes)


def _data(
    spec: Spec, reading: Reading, settings: Settings, tell: Tell, ending: Callable[[], bool]
) -> tuple[Tokenised, Tokenised]:
    """Raises NothingTrained, RowsInvalid, Cancelled."""
    rows, kept = spec.train, spec.held_out
    if kept is None:
        rows, kept = spec.out / "train.jsonl", spec.out / "held_out.jsonl"
        keep_back(spec.train, settings.held_out_share, settings.seed, rows, kept)
    # KTO stays near the base by itself, and old passages are answers that nobody has judged.
    if spec.gguf is not None and spec.kind == "sft":
        own_base.with_replay(rows, settings.replay_share, settings.seed, spec.out / "with_replay.jsonl")
        rows = spec.out / "with_replay.jsonl"

    def told(done: int, total: int) -> None:
        if ending():
            raise Cancelled
        tell(Line(stage="data", done=done, total=total, message="reading the examples as the model does"))

    assert isinstance(settings.most_tokens, int)
    train, held_out = (
        tokenise(each, reading, kind=spec.kind, most_tokens=settings.most_tokens, cache=spec.cache, tell=told)
        for each in (rows, kept)
    )
    for side, name in ((train, "train on"), (held_out, "hold out")):
        if not len(side):
            reasons = side.report.reasons() or "there are no rows"
            raise NothingTrained(
                f"nothing is left to {name}: {reasons}; correct the file, or give more examples"
            )
    return train, held_out


def _steps(train: Tokenised, settings: Settings) -> int:
    assert isinstance(settings.micro_tokens, int)
    steps = plan(
        train.lengths, batch=settings.batch, micro_tokens=settings.micro_tokens, packed=settings.packing is True,
        epochs=settings.epochs, seed=settings.seed,
    )  # fmt: skip
    return len(steps)
