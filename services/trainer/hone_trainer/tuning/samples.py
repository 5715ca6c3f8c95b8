"""Conversations with the tokens that training begins them with, and whether the engine reads the same.

`parity` writes them; whoever asks the hub what llama.cpp reads compares here. Importing this imports no torch.
"""

from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from hone_contracts.hub import PromptsRead
from hone_trainer.tuning.errors import PhaseMissing, TemplateDiffers

FILE = "samples.json"
_AROUND = 30


class Sample(BaseModel):
    """``token_ids`` and ``texts`` have more than one entry where the template writes the date: one for each day that
    it may be where the engine runs. ``pieces`` are the texts of the first entry's tokens."""

    model_config = ConfigDict(frozen=True)

    messages: tuple[dict[str, str], ...]
    texts: tuple[str, ...]
    token_ids: tuple[tuple[int, ...], ...]
    pieces: tuple[str, ...]


class Samples(BaseModel):
    """``ends`` are the tokens that trained answers end with, with their texts."""

    model_config = ConfigDict(frozen=True)

    samples: tuple[Sample, ...]
    ends: dict[int, str]

    @property
    def conversations(self) -> tuple[tuple[dict[str, str], ...], ...]:
        """As `ReadPrompts` asks about them."""
        return tuple(each.messages for each in self.samples)


def read(folder: Path) -> Samples:
    """Raises PhaseMissing."""
    try:
        return Samples.model_validate_json((folder / FILE).read_bytes())
    except (OSError, ValidationError) as error:
        raise PhaseMissing(folder / FILE) from error


def compare(samples: Samples, engine: PromptsRead) -> None:
    """Raises TemplateDiffers, which names the first difference."""
    if len(engine.token_ids) != len(samples.samples):
        raise TemplateDiffers(
            f"of {len(samples.samples)} conversations the engine read {len(engine.token_ids)}"
        )
    for number, (sample, text, ids) in enumerate(
        zip(samples.samples, engine.rendered, engine.token_ids, strict=True), 1
    ):
        if ids is None or text is None:
            raise TemplateDiffers(f"the engine's chat template refuses conversation {number}")
        if ids not in sample.token_ids:
            raise TemplateDiffers(f"conversation {number}: {_difference(sample, text, ids)}")
    for end, name in samples.ends.items():
        if end not in engine.end_ids:
            raise TemplateDiffers(
                f"answers are trained to end with {name!r} ({end}), at which the engine does not stop"
            )


def _difference(sample: Sample, text: str, ids: Sequence[int]) -> str:
    ours = sample.token_ids[0]
    at = next((at for at, (one, other) in enumerate(zip(ours, ids, strict=False)) if one != other), None)
    at = min(len(ours), len(ids)) if at is None else at
    mine = f"{sample.pieces[at]!r} ({ours[at]})" if at < len(ours) else "nothing"
    theirs = str(ids[at]) if at < len(ids) else "nothing"
    told = f"token {at + 1} is {mine} in training and {theirs} in the engine"
    whole = sample.texts[0]
    if whole.endswith(text):  # but for a BOS that is a token there
        return told
    place = next((at for at, (one, other) in enumerate(zip(whole, text, strict=False)) if one != other), 0)
    here, there = (each[max(0, place - _AROUND) : place + _AROUND] for each in (whole, text))
    return f"{told}; the texts part at {here!r} and {there!r}"
