"""Whether a tuned model is fit to be merged: its numbers are numbers, and its answers end.

A mask that leaves out the end of a turn, or a template that never writes one, gives a fine loss and a model that
talks for ever. Such a one is found here, before minutes go into merging and converting it.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from transformers import GenerationConfig

from hone_trainer.tuning.base import Reading
from hone_trainer.tuning.data.tokenised import Tokenised
from hone_trainer.tuning.errors import NotHealthy
from hone_trainer.tuning.likelihood import Asked, log_likelihoods

ANSWERS = 4
CHECKED = 16
"""Held-out sequences whose likelihoods are looked at."""

_SETTINGS: Any = GenerationConfig  # its constructor has no types
Tell = Callable[[str], None]

_MOST_NEW = 1024
_SURE = 0.5
"""The chance of an end where a reference ends, or the share of answers that end, from which on a model can stop."""
_LEARNED = 0.5
"""Nats by which the words of answers are likelier once something was learned."""


@dataclass(frozen=True)
class Health:
    """``stopped`` of ``asked`` answers ended by themselves. The chances are of an end where references end, with the
    adapter and without; None where the answers ended, and nobody had to look. ``note``: what a person should know."""

    asked: int
    stopped: int
    end_chance: float | None = None
    end_chance_base: float | None = None
    note: str = ""

    def figures(self) -> dict[str, Any]:
        return asdict(self)


def check(model: Any, held_out: Tokenised, reading: Reading, tell: Tell = lambda _message: None) -> Health:
    """``model`` carries the adapter. Raises NotHealthy."""
    model.eval()
    for name, weight in model.named_parameters():
        if "lora_" in name and not bool(torch.isfinite(weight).all()):
            raise NotHealthy(f"{name} is not finite; train again with a lower learning rate")
    examples = _examples(held_out)
    tell("are its logits finite?")
    for likely in log_likelihoods(model, examples, reading.pad_id):
        if not np.isfinite(likely).all():
            raise NotHealthy(
                "a held-out token has no finite likelihood; train again with a lower learning rate"
            )
    prompts = [_split(each) for each in examples[:ANSWERS]]
    tell("do its answers end?")
    stopped = sum(_ends(model, prompt, length, reading) for prompt, length in prompts)
    if stopped >= _SURE * len(prompts):
        return Health(len(prompts), stopped)
    return _unsure(model, examples, prompts, stopped, reading)


def _unsure(
    model: Any,
    examples: Sequence[Asked],
    prompts: Sequence[tuple[list[int], int]],
    stopped: int,
    reading: Reading,
) -> Health:
    """Most answers went on. That tells of a fault where training made the answers' words likelier and their end not;
    it does not where the end is likely and only the words before it go astray, or where little was learned yet."""
    end, words = _beliefs(model, examples, reading)
    with getattr(model, "disable_adapter", nullcontext)():
        end_before, words_before = _beliefs(model, examples, reading)
        base_stopped = sum(_ends(model, prompt, length, reading) for prompt, length in prompts)
    chance, before = float(np.exp(end)), float(np.exp(end_before))
    asked = len(prompts)
    told = f"{asked - stopped} of {asked} answers do not end (the base's: {asked - base_stopped})"
    if chance < _SURE and end <= end_before and words - words_before > _LEARNED:
        raise NotHealthy(
            f"{told}, and an end where one belongs has a chance of {chance:.2g} (the base: {before:.2g}), while the "
            "answers' words were learned; check that the template ends an answer with a token that is named as "
            "eos_token_id"
        )
    return Health(asked, stopped, chance, before, told)


def _beliefs(model: Any, examples: Sequence[Asked], reading: Reading) -> tuple[float, float]:
    """Mean log likelihoods of the ends of answers, and of their words."""
    ends = sorted(reading.end_ids)
    likely = np.concatenate(log_likelihoods(model, examples, reading.pad_id))
    is_end = np.concatenate([np.isin(each.tokens[each.asked], ends) for each in examples])
    if not is_end.any():
        raise NotHealthy("no held-out answer has an end that is trained; check the template and eos_token_id")
    return float(likely[is_end].mean()), float(likely[~is_end].mean()) if not is_end.all() else 0.0


def _examples(held_out: Tokenised) -> list[Asked]:
    """Good answers, where there are any; the short ones first: they tell as much, sooner."""
    labels = held_out.labels
    everything = range(len(held_out))
    good = everything if labels is None or not labels.any() else [i for i in everything if labels[i]]
    chosen = sorted(good, key=lambda i: (int(held_out.lengths[i]), i))[:CHECKED]
    return [Asked(np.asarray(held_out.tokens(i)), np.asarray(held_out.trained(i))) for i in chosen]


def _split(example: Asked) -> tuple[list[int], int]:
    """What precedes the first answer, and how many tokens that has."""
    start = int(example.asked.argmax())
    after = example.asked[start:]
    length = len(after) if after.all() else int((~after).argmax())
    return example.tokens[:start].tolist(), length


@torch.no_grad()
def _ends(model: Any, prompt: list[int], length: int, reading: Reading) -> bool:
    """Whether the likeliest answer ends within about twice the reference's length."""
    device = model.get_input_embeddings().weight.device
    ids = torch.tensor([prompt], device=device)
    settings = _SETTINGS(
        max_new_tokens=min(_MOST_NEW, 2 * length + 32),
        do_sample=False,
        eos_token_id=sorted(reading.end_ids),
        pad_token_id=reading.pad_id,
        use_cache=True,
    )
    answer = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=settings)
    return int(answer[0, -1]) in reading.end_ids
