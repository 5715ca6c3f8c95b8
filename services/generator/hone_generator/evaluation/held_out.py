"""Held-out prompts from a JSONL file of this machine. What stands in it was written by strangers: the file lies in a
folder that is allowed, and neither it nor any line of it may be larger than a reader needs."""

import json
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from hone_contracts.evaluation import HeldOutItem
from hone_contracts.generation import MAX_CONTEXT_CHARS, MAX_REQUIREMENTS_CHARS
from hone_generator.artifacts.held import MOST_ANSWER_CHARS
from hone_generator.evaluation.errors import HeldOutUnusable

MOST_ITEMS = 500
MOST_BYTES = 50_000_000
_MOST_NAME_CHARS = 100  # items and groups are told in one message for all
_MOST_OPTIONS_CHARS = 1000


@dataclass(frozen=True, slots=True)
class HeldOut:
    """``refused`` tells of each line that is no prompt, ``left_out`` counts what is beyond the most."""

    items: tuple[HeldOutItem, ...]
    refused: tuple[str, ...] = ()
    left_out: int = 0


def read_held_out(uri: str, folders: Sequence[Path]) -> HeldOut:
    """Raises HeldOutUnusable. Blocks: fifty megabytes take half a second."""
    path = _allowed(uri, folders)
    try:
        kind = path.stat()
        if not stat.S_ISREG(kind.st_mode):
            raise HeldOutUnusable(uri, "it is no file")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise HeldOutUnusable(uri, error.strerror or str(error)) from error
    if len(content) > MOST_BYTES:
        raise HeldOutUnusable(uri, f"it is larger than {MOST_BYTES} bytes")
    found = _items(uri, BytesIO(content))
    if not found.items:
        raise HeldOutUnusable(uri, found.refused[0] if found.refused else "it is empty")
    return found


def _allowed(uri: str, folders: Sequence[Path]) -> Path:
    """Links followed, so that none leads out of the folders."""
    try:
        parts = urlsplit(uri)
        path = Path(unquote(parts.path)).resolve()
        inside = any(path.is_relative_to(folder.resolve()) for folder in folders)
    except (OSError, ValueError, RuntimeError) as error:
        raise HeldOutUnusable(uri, f"it names no file: {error}") from error
    if parts.scheme != "file" or parts.netloc not in {"", "localhost"}:
        raise HeldOutUnusable(uri, "it is no file:// URI of this machine")
    if not inside:
        raise HeldOutUnusable(uri, f"it lies outside of {', '.join(map(str, folders))}")
    return path


def _items(uri: str, lines: Iterable[bytes]) -> HeldOut:
    found: dict[str, HeldOutItem] = {}
    refused: list[str] = []
    left_out = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if len(found) == MOST_ITEMS:
            left_out += 1
            continue
        if len(refused) == MOST_ITEMS:
            raise HeldOutUnusable(uri, f"{MOST_ITEMS} of its lines are no prompts; {refused[0]}")
        try:
            item = HeldOutItem.model_validate_json(line)
        except ValidationError as error:
            refused.append(f"line {number}: {error.errors(include_url=False)[0]['msg'][:200]}")
            continue
        fault = next(_faults(item, found), None)
        if fault is None:
            found[item.item] = item
        else:
            refused.append(f"line {number}: {fault}")
    return HeldOut(tuple(found.values()), tuple(refused), left_out)


def _faults(item: HeldOutItem, before: dict[str, HeldOutItem]) -> Iterator[str]:
    if item.item in before:
        yield "its item stands in a line before it"
    if not item.requirements.strip():
        yield "it has no requirements"
    if not (item.item.isprintable() and item.group.isprintable()):
        yield "its item or group is no name"
    sizes = (
        ("item", item.item, _MOST_NAME_CHARS),
        ("group", item.group, _MOST_NAME_CHARS),
        ("requirements", item.requirements, MAX_REQUIREMENTS_CHARS),
        ("context_text", item.context_text or "", MAX_CONTEXT_CHARS),
        ("reference", item.reference or "", MOST_ANSWER_CHARS),
        ("options", json.dumps(item.options), _MOST_OPTIONS_CHARS),
    )
    for name, text, most in sizes:
        if len(text) > most:
            yield f"its {name} has {len(text)} characters, {most} are read"
