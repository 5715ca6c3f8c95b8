"""The second phase: two dry steps, the training, the health check, the adapter, and the merged model.

What lies in ``out/adapter`` and ``out/merged`` is whole or not there. Run again, the phase goes on from the newest
checkpoint; after the last step it does again what comes after it.
"""

import random
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hone_trainer.finetune.events import Line
from hone_trainer.tuning import distributed, health, merging, tracking
from hone_trainer.tuning.adapter_files import WEIGHTS
from hone_trainer.tuning.base import load_model, load_tokenizer, save_adapter, with_adapter
from hone_trainer.tuning.checkpoints import Checkpoints, Identity
from hone_trainer.tuning.data.batches import Step, plan
from hone_trainer.tuning.data.tokenised import Tokenised
from hone_trainer.tuning.kto import KahnemanTversky, adapter_of
from hone_trainer.tuning.loop import Asked, Loop, Measured, memory_bytes
from hone_trainer.tuning.prepared import Prepared
from hone_trainer.tuning.recipe import Recipe
from hone_trainer.tuning.settings import Decided
from hone_trainer.tuning.sft import Supervised
from hone_trainer.tuning.spec import Spec
from hone_trainer.whole_folder import whole_or_not

Tell = Callable[[Line], None]
_DRY_STEPS = 2
_TELL_EVERY_S = 0.5


def train(spec: Spec, tell: Tell, ending: Callable[[], bool]) -> dict[str, Any]:
    """``ending``: was the process asked to end? Returns the figures. Raises TuningError."""
    prepared = Prepared.read(spec.out)
    settings = prepared.settings
    began = time.monotonic()
    make_repeatable(settings)
    with distributed.joined(settings.device) as group:
        tell(Line(stage="base", message=f"loading {spec.checkpoint.name}"))
        data, held_out = Tokenised(prepared.train), Tokenised(prepared.held_out)
        base = load_model(spec.checkpoint, settings.device, settings.dtype, four_bit=settings.four_bit)
        if settings.checkpointing:
            base.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
            base.enable_input_require_grads()
        model = with_adapter(base, settings, spec.checkpoint, spec.adapter)
        recipe: Recipe
        if spec.kind == "kto":
            start = None if spec.adapter is None else adapter_of(model)
            recipe = KahnemanTversky(data, held_out, settings, prepared.pad_id, start=start, group=group)
        else:
            recipe = Supervised(data, held_out, settings, prepared.pad_id)
        steps = plan(
            data.lengths, batch=settings.batch, micro_tokens=settings.micro_tokens, packed=settings.packing,
            epochs=settings.epochs, seed=settings.seed,
        )  # fmt: skip
        checkpoints = Checkpoints(
            spec.kept,
            identity(spec, prepared, data, group.world),
            settings.keep_checkpoints,
            fence=spec.fence,
        )
        loop = Loop(
            model=model,
            recipe=recipe,
            plan=steps,
            lengths=data.lengths.tolist(),
            settings=settings,
            checkpoints=checkpoints,
            group=group,
        )
        figures = _rehearse(loop, steps, settings, tell)
        with tracking.tracker(spec, settings, group.rank) as tracker:
            course = loop.run(_measured(tracker, tell), _asked(spec, ending))
        figures |= {
            "steps": course.step,
            "steps_planned": len(steps),
            "tokens": course.tokens,
            "held_out_loss": course.best_loss,
            "best_step": course.best_step,
            "rollbacks": course.rollbacks,
            "checkpoints_passed_over": dict(checkpoints.passed_over),
            "seconds": round(course.seconds, 2),
            "tokens_per_s": round(course.tokens / course.seconds, 1) if course.seconds else 0.0,
            "peak_memory_bytes": memory_bytes(settings.device),
        }
        if group.rank == 0:
            reading = load_tokenizer(spec.checkpoint)
            figures["health"] = health.check(model, held_out, reading, _words(tell)).figures()
            figures["adapter_sha256"] = digest_of(loop.weights())
            figures["merge"] = _write(spec, model, reading.end_ids, tell)
        group.barrier()
        figures["seconds_in_all"] = round(time.monotonic() - began, 2)
        if group.rank == 0:
            tracking.finish(spec, figures)
    return figures


def make_repeatable(settings: Decided) -> None:
    """The same data, seed and machine give the same adapter, to the bit on a CPU. Another number of threads adds up
    in another order, and so gives another sum."""
    torch.set_num_threads(settings.threads)
    random.seed(settings.seed)
    np.random.seed(settings.seed)
    torch.manual_seed(settings.seed)
    torch.use_deterministic_algorithms(True, warn_only=settings.device != "cpu")
    torch.backends.cudnn.benchmark = False
    if settings.dtype != "fp32":
        torch.backends.cuda.matmul.allow_tf32 = True


def digest_of(weights: Mapping[str, Tensor]) -> str:
    """Of names and numbers alone: the same adapter has the same digest, whatever wrote it."""
    digest = sha256()
    for name in sorted(weights):
        digest.update(f"{name} {tuple(weights[name].shape)}\n".encode())
        digest.update(weights[name].float().contiguous().numpy().tobytes())
    return digest.hexdigest()


def identity(spec: Spec, prepared: Prepared, data: Tokenised, world: int) -> Identity:
    """What a resume must have in common with the run that left the checkpoint."""
    adapter = None if spec.adapter is None else tracking.sha256(spec.adapter / WEIGHTS)
    shaping = prepared.settings.model_dump(
        mode="json", exclude={"keep_checkpoints", "mlflow_uri", "tensorboard", "quantization", "time_limit_s"}
    )
    return Identity.of(
        data=data.digest,
        base=prepared.base,
        settings={**shaping, "method": spec.method, "adapter": adapter},
        seed=prepared.settings.seed,
        world=world,
    )


def _rehearse(loop: Loop, steps: list[Step], settings: Decided, tell: Tell) -> dict[str, Any]:
    """The first step, and the one with the largest micro-batch: if these fit, all do."""
    tell(Line(stage="training", message="two dry steps"))
    began = time.monotonic()
    loop.rehearse([steps[0], max(steps, key=_widest)][:_DRY_STEPS])
    return {
        "dry_steps_s": round(time.monotonic() - began, 3),
        "dry_steps_memory_bytes": memory_bytes(settings.device),
    }


def _widest(step: Step) -> int:
    return max(sum(len(row) for row in micro.rows) for micro in step)


def _asked(spec: Spec, ending: Callable[[], bool]) -> Asked:
    def asked() -> str:
        if ending():
            return "end"
        try:
            return spec.control.read_text("utf-8").strip()
        except OSError:
            return ""

    return asked


def _measured(tracker: tracking.Tracker, tell: Tell) -> Callable[[Measured], None]:
    """Every step is written down; one in a while is told."""
    last = -1.0

    def measured(one: Measured) -> None:
        nonlocal last
        tracker.log(one.step, one.figures)
        now = time.monotonic()
        if now - last >= _TELL_EVERY_S or one.step == one.total or "held_out_loss" in one.figures:
            last = now
            tell(_line(one))

    return measured


def _line(one: Measured) -> Line:
    figures = one.figures
    words = [f"loss {figures['loss']:.4f}"]
    if "held_out_loss" in figures:
        words.append(f"held out {figures['held_out_loss']:.4f}")
    words.append(f"{figures['tokens_per_s']:,.0f} tokens/s")
    return Line(
        stage="training", done=one.step, total=one.total, message=", ".join(words), figures=dict(figures)
    )


def _write(spec: Spec, model: Any, ends: frozenset[int], tell: Tell) -> dict[str, Any]:
    with whole_or_not(spec.out / "adapter", replace=True) as folder:
        save_adapter(model, folder, spec.checkpoint)

    last = 0.0

    def merged(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _TELL_EVERY_S or done == total:
            last = now
            tell(Line(stage="writing", done=done, total=total, message="merging the adapter into the base"))

    return merging.merge(
        spec.checkpoint, spec.out / "adapter", spec.out / "merged", ends=ends, step=merged
    ).figures()


def _words(tell: Tell) -> Callable[[str], None]:
    return lambda message: tell(Line(stage="checking", message=message))
