"""What lies in a folder that somebody else may be taking away at this moment."""

import os
from pathlib import Path


def lying(folder: Path, ending: str) -> list[Path]:
    """The files below ``folder`` whose names end so. Folders that vanish meanwhile hold nothing."""
    found = (Path(place) / name for place, _, names in os.walk(folder) for name in names)
    return sorted(each for each in found if each.name.endswith(ending))


def lying_bytes(folder: Path, ending: str) -> int:
    total = 0
    for each in lying(folder, ending):
        try:
            total += each.stat().st_size
        except FileNotFoundError:
            continue
    return total
