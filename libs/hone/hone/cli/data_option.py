"""`--data`, for the commands about this machine."""

from __future__ import annotations

from pathlib import Path

import click

from hone.launcher.datafolder import DataFolder, default_data_folder

data_option = click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Data folder; default: HONE_DATA_DIR, or this user's data folder.",
)


def folder_of(data: Path | None) -> DataFolder:
    return DataFolder(data.expanduser().absolute() if data else default_data_folder())
