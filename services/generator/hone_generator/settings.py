"""What can be set of the generator, beside what every service has."""

import os
from pathlib import Path

from pydantic import Field, PositiveFloat, PositiveInt

from hone_chassis import ServiceSettings


def _cores() -> int:
    return os.cpu_count() or 1


class GeneratorSettings(ServiceSettings):
    """``HONE_*`` in the environment."""

    parallel_generations: PositiveInt = Field(
        default=16, description="jobs at once; most wait for their model"
    )
    parallel_chats: PositiveInt = Field(
        default=256, description="chats at once; what comes beyond is refused"
    )
    parallel_evaluation: PositiveInt = Field(
        default=2,
        description="held-out prompts at once when versions are compared; one where they run in this process",
    )
    evaluation_limit_s: PositiveFloat = Field(
        default=2700.0,
        description="after which no further prompt is begun; with the last one's deadline of 600 s it stays below "
        "the hour that the trainer waits for an evaluation (HONE_NEXT_STEP_LIMIT_S)",
    )
    held_out_dir: Path | None = Field(
        default=None,
        description="where datasets lie, beside data_dir; held-out prompts are read from nowhere else",
    )
    allowed_model_servers: str = Field(
        default="",
        description="base URLs that requests may name as openai+http://…, beside those of routes; commas between",
    )
    llamacpp_threads: PositiveInt = Field(default_factory=lambda: min(4, _cores()))
    llamacpp_context_tokens: PositiveInt = 4096
    llamacpp_idle_unload_s: PositiveFloat = 600.0
    starter_dir: Path | None = Field(default=None, description="where the model that ships with Hone lies")
    ollama_host: str = Field(
        default="127.0.0.1:11434",
        validation_alias="OLLAMA_HOST",
        description="as Ollama itself reads it; several, separated by commas",
    )

    @property
    def model_folders(self) -> tuple[Path, ...]:
        """In-process models are loaded from these folders and no other."""
        folders = (self.data_dir / "models", self.starter_dir)
        return tuple(folder for folder in folders if folder is not None)

    @property
    def held_out_folders(self) -> tuple[Path, ...]:
        folders = (self.data_dir / "trainer", self.held_out_dir)
        return tuple(folder for folder in folders if folder is not None)
