"""What can be set of the hub, beside what every service has."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt
from pydantic_settings import NoDecode

from hone_chassis import ServiceSettings


def _split(value: object) -> object:
    return [part for part in value.split(os.pathsep) if part] if isinstance(value, str) else value


class HubSettings(ServiceSettings):
    """``HONE_*`` in the environment."""

    file_roots: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_split)] = Field(
        default=(Path("/"),),
        description="folders whose files may be read and written, separated as in PATH. The default is right where "
        "the hub runs as the only user of a machine (`hone up`) and must be narrowed where several share it",
    )
    parallel_conversions: PositiveInt = Field(
        default=1, description="a conversion takes a core and a tensor's memory"
    )
    inspect_limit_s: PositiveFloat = Field(
        default=25.0, description="below what the gateway waits for an answer"
    )
