"""How like a reference an answer's text is: BLEU (Papineni et al. 2002) and chrF (Popović 2015), by sacrebleu.

What artifacts say is compared by `teaching.agreement`, whatever their wording. These two see the wording alone; they
are what papers report, and move before validators do when a model learns a team's way of writing.
"""

from typing import NamedTuple

_MOST = 100.0
_DIGITS = 2


class Likeness(NamedTuple):
    """0 to 100 each: shared words in their order, and shared runs of characters."""

    bleu: float
    chrf: float


def likeness(content: str, reference: str) -> Likeness:
    """Linear in the lengths: a second for 300,000 characters. A text shorter than four words is compared by the
    shorter runs it has (sacrebleu's ``effective_order``)."""
    # 17 MB that only an evaluation needs.
    from sacrebleu.metrics.bleu import BLEU  # noqa: PLC0415
    from sacrebleu.metrics.chrf import CHRF  # noqa: PLC0415

    bleu = BLEU(effective_order=True).sentence_score(content, [reference]).score
    chrf = CHRF().sentence_score(content, [reference]).score
    return Likeness(*(round(min(_MOST, float(each)), _DIGITS) for each in (bleu, chrf)))
