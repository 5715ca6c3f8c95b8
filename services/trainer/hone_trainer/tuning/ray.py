"""The processes that train together, started by Ray Train instead of torchrun: `hone-trainer[ray]`.

Ray places them on the machines of its cluster (``RAY_ADDRESS``, else one that it starts here), which share the run's
folder. What they do is the same; they tell into files there, and end when a file there says so.
"""

import os
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hone_trainer.finetune.events import Line
from hone_trainer.tuning.errors import LauncherFailed
from hone_trainer.tuning.launching import Told, fresh, last_of, outcome
from hone_trainer.tuning.settings import Settings
from hone_trainer.tuning.spec import Spec

_LOOK_EVERY_S = 0.2
_END = "end"


def launch(
    spec: Spec, path: Path, settings: Settings, tell: Callable[[Line], None], ending: Callable[[], bool]
) -> dict[str, Any]:
    """As `launching.launch`. Raises LauncherFailed, Cancelled, ProcessFailed, ProcessesLost."""
    import ray  # noqa: PLC0415 - an extra, which `launching.check` looked for
    from ray.train import FailureConfig, RunConfig, ScalingConfig  # noqa: PLC0415
    from ray.train.torch import TorchConfig, TorchTrainer  # noqa: PLC0415

    world, on_cards = settings.processes * settings.nodes, settings.device == "cuda"
    told = fresh(spec.folder.resolve() / "processes" / f"ray-{uuid.uuid4().hex[:12]}")
    try:
        ray.init(
            ignore_reinit_error=True, include_dashboard=False, logging_level="warning", log_to_driver=False
        )
    except Exception as error:
        raise LauncherFailed("ray", str(error)) from error
    try:
        trainer = TorchTrainer(
            _work,
            train_loop_config={"spec": str(path.resolve()), "told": str(told), "cards": on_cards},
            torch_config=TorchConfig(backend="nccl" if on_cards else "gloo"),
            scaling_config=ScalingConfig(num_workers=world, use_gpu=on_cards),
            run_config=RunConfig(
                name=told.name, storage_path=str(told), failure_config=FailureConfig(max_failures=0)
            ),
        )
        errors = _follow(trainer.fit, told, tell, ending)
    finally:
        ray.shutdown()
    lasts = [last_of(told / f"{rank}.jsonl") for rank in range(world)]
    if errors and all(line is None for line, _ in lasts):
        raise LauncherFailed("ray", str(errors[0]))  # none of them ever began
    return outcome(lasts)


def _follow(
    fit: Callable[[], object], told: Path, tell: Callable[[Line], None], ending: Callable[[], bool]
) -> list[Exception]:
    """Until Ray has done with them; the error that it ended with, if any."""
    errors: list[Exception] = []

    def fitted() -> None:
        try:
            fit()
        except Exception as error:  # noqa: BLE001 - told by the thread that started this one
            errors.append(error)

    fitting = threading.Thread(target=fitted, daemon=True)
    fitting.start()
    first = Told(told / "0.jsonl")
    while fitting.is_alive():
        first.pass_on(tell)
        if ending():
            (told / _END).touch()
        fitting.join(_LOOK_EVERY_S)
    first.pass_on(tell)
    return errors


def _work(config: dict[str, Any]) -> None:
    """In a process of Ray's: no signal reaches it, and its working folder is another."""
    import ray.train  # noqa: PLC0415
    import ray.train.torch  # noqa: PLC0415

    from hone_trainer.tuning.rank import work  # noqa: PLC0415 - where it runs, not where it is sent from

    if config["cards"]:
        import torch  # noqa: PLC0415

        torch.cuda.set_device(ray.train.torch.get_device())
    told, rank = Path(config["told"]), ray.train.get_context().get_world_rank()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    work(Path(config["spec"]), told / f"{rank}.jsonl", (told / _END).exists)
