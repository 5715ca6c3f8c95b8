"""Settings of a training run from a YAML file: names with plain values, or lists of names."""

from __future__ import annotations

from typing import Any

import yaml

from hone.cli.errors import WrongInput
from hone.cli.files import read_text
from hone.cli.output import plain

_MOST = 100


def read(file: str) -> dict[str, Any]:
    """Raises WrongInput."""
    try:
        found = yaml.safe_load(read_text(file))
    except (yaml.YAMLError, RecursionError) as error:
        raise WrongInput(f"{plain(file, 200)} is no YAML: {plain(str(error), 300)}") from error
    if not isinstance(found, dict) or len(found) > _MOST:
        raise WrongInput(
            f"{plain(file, 200)} must hold settings, as in `rank: 16`; docs/training-settings.md has all"
        )
    return {_name(file, name): _value(file, name, value) for name, value in found.items()}


def _name(file: str, name: object) -> str:
    if not isinstance(name, str):
        raise WrongInput(f"{plain(file, 200)}: {plain(str(name), 80)} is no name of a setting")
    return name


def _value(file: str, name: str, value: object) -> Any:
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return ",".join(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise WrongInput(
        f"{plain(file, 200)}: {plain(name, 80)} must be a number, a word, true, false or a list of names"
    )
