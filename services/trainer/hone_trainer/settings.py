"""What can be set of the trainer, beside the loop's policy and what every service has."""

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt
from pydantic_settings import NoDecode

from hone_chassis import ServiceSettings


def _split(value: object) -> object:
    return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value


class TrainerSettings(ServiceSettings):
    """``HONE_*`` in the environment."""

    trainer_role: Literal["both", "coordinator", "worker"] = Field(
        default="both",
        description="a worker trains and needs what training needs; a coordinator needs nothing of it",
    )
    training_limit_s: PositiveFloat = Field(
        default=3600.0,
        description="without a word from a training run's worker, after which the run has failed",
    )
    training_save_s: PositiveFloat = Field(
        default=60.0,
        description="for a training process to write its checkpoint when its run is paused or the service stops",
    )
    card_shared: bool | None = Field(
        default=None,
        description="the worker's graphics card is the generator's, too, which lends it; by default where one "
        "process is coordinator and worker (`hone up`), and not where workers run apart",
    )
    next_step_limit_s: PositiveFloat = Field(
        default=3600.0,
        description="without a word from the service whose step it is (deployment, evaluation): a run ends as failed",
    )
    queue_limit_s: PositiveFloat = Field(
        default=24 * 3600.0,
        description="in which a worker must begin: one with a card may be away over night",
    )
    import_rows: PositiveInt = Field(default=100_000, description="of one file; the rest of it is refused")
    import_bytes: PositiveInt = Field(default=256 << 20, description="of one file named by its URI")
    import_answer_s: PositiveFloat = Field(
        default=3.0,
        description="in which an import validates before it answers; the rest is validated afterwards",
    )
    ask_timeout_s: PositiveFloat = Field(default=30.0, description="of one question to another service")
    file_roots: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=(Path("/"),),
        description="folders whose files may be imported, separated as in PATH; the hub's setting, too. The "
        "default is right for the only user of a machine (`hone up`) and must be narrowed where several share it",
    )
    variations_model: str | None = Field(
        default=None,
        description="model reference that paraphrases requirements of good examples; none when unset",
    )
    variations_per_batch: PositiveInt = Field(
        default=10, description="examples that each source beyond feedback may offer for a run"
    )
