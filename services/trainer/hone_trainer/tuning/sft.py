"""Supervised tuning of an adapter: LoRA (Hu et al. 2021), and QLoRA (Dettmers et al. 2023) where the base has 4 bits.

The whole recipe, from top to bottom:

1. A sequence is what the engine sees: the prompt as the chat template writes it, then the answer and the end of the
   turn. Only answer and end are trained (`data.masks`).
2. A step is `batch` sequences, sorted by length into micro-batches (or packed into rows, blind to each other).
3. The loss is the mean over all trained tokens of the step, weighted like their examples, however the step was cut.
4. AdamW on the adapter alone, in fp32; cosine with warm-up; the gradient is clipped; a step that is not finite is
   not taken.
5. The weights with the lowest held-out loss are the result.
"""

from typing import Any

import torch
from torch import Tensor

from hone_trainer.tuning.data.batches import MicroBatch, Step, attention_mask, collate, plan
from hone_trainer.tuning.data.tokenised import Tokenised
from hone_trainer.tuning.loss import Head, token_losses
from hone_trainer.tuning.settings import Decided


class Supervised:
    """A `recipe.Recipe`."""

    def __init__(self, train: Tokenised, held_out: Tokenised, settings: Decided, pad_id: int) -> None:
        self._train, self._held_out, self._settings, self._pad_id = train, held_out, settings, pad_id
        self._trained = trained_weights(train)
        self._measured = plan(
            held_out.lengths, batch=len(held_out), micro_tokens=settings.micro_tokens, packed=settings.packing,
            epochs=1.0, seed=0,
        )  # fmt: skip

    def begin_step(self, model: Any, step: Step) -> None:
        """Nothing: each token's loss is its own."""

    def total(self, step: Step) -> float:
        return float(sum(self._trained[each] for micro in step for row in micro.rows for each in row))

    def loss(self, model: Any, micro: MicroBatch) -> tuple[Tensor, dict[str, float]]:
        losses, weights = trained_losses(model, self._train, micro, self._settings, self._pad_id)
        return (losses * weights).sum(), {}

    def held_out(self, model: Any) -> dict[str, float]:
        """``loss`` in nats a trained token, each token alike."""
        return {"loss": mean_loss(model, self._held_out, self._measured, self._settings, self._pad_id)}


def trained_weights(data: Tokenised) -> list[float]:
    """Of each sequence: its weight times the tokens that are trained."""
    return [float(data.weights[each]) * int(data.trained(each).sum()) for each in range(len(data))]


def mean_loss(model: Any, data: Tokenised, steps: list[Step], settings: Decided, pad_id: int) -> float:
    """Nats a trained token, without gradient; a perplexity is its exponential."""
    total, count = 0.0, 0
    with torch.no_grad():
        for micro in (micro for step in steps for micro in step):
            losses, _ = trained_losses(model, data, micro, settings, pad_id)
            total += float(losses.double().sum())
            count += len(losses)
    return total / count


def trained_losses(
    model: Any, data: Tokenised, micro: MicroBatch, settings: Decided, pad_id: int
) -> tuple[Tensor, Tensor]:
    """Losses and weights of the micro-batch's trained tokens, both [trained tokens], in the order of the rows."""
    batch = collate(data, micro, pad_id)
    device = next(model.parameters()).device
    batch = {name: each.to(device, non_blocking=True) for name, each in batch.items()}
    hidden = hidden_states(model, batch, packed=settings.packing)
    # What stands at a position predicts the next one.
    labels, weights = batch["labels"][:, 1:], batch["weights"][:, 1:]
    counts = labels >= 0
    losses = token_losses(hidden[:, :-1][counts], labels[counts], head_of(model), vocabulary_of(model))
    return losses, weights[counts]


def hidden_states(model: Any, batch: dict[str, Tensor], *, packed: bool) -> Tensor:
    """[rows, length, width]: what the head would read."""
    decoder = decoder_of(model)
    dtype = next(decoder.parameters()).dtype
    mask = attention_mask(batch["sequence_ids"], packed, dtype)
    found = decoder(
        input_ids=batch["input_ids"],
        attention_mask=mask,
        position_ids=batch["position_ids"],
        use_cache=False,
    )
    states: Tensor = found.last_hidden_state
    return states


def decoder_of(model: Any) -> Any:
    """The model below its head; adapters stand in its layers."""
    whole = plain(model)
    return whole.get_decoder() if hasattr(whole, "get_decoder") else whole.model


def plain(model: Any) -> Any:
    """The model that an adapter was put into, with the adapter in it."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def head_of(model: Any) -> Head:
    """From hidden states to logits, with what a family does on the way: a scale (Cohere, Granite), a soft cap (Gemma
    2)."""
    whole = plain(model)
    head = whole.get_output_embeddings()
    config = getattr(whole.config, "text_config", None) or whole.config
    cap = getattr(config, "final_logit_softcapping", None)
    times = getattr(config, "logit_scale", None) or 1 / (getattr(config, "logits_scaling", None) or 1)

    def logits(hidden: Tensor) -> Tensor:
        found: Tensor = head(hidden.to(head.weight.dtype))
        found = found if times == 1 else found * times
        return torch.tanh(found / cap) * cap if cap else found

    return logits


def vocabulary_of(model: Any) -> int:
    return int(plain(model).get_output_embeddings().weight.shape[0])
