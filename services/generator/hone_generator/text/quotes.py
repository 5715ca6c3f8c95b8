"""Where in the requirements a model's quote is from."""

from collections.abc import Sequence

from hone_contracts.erd_facts import STOP_WORDS, normalise


def find_quote(quote: str, lines: Sequence[str]) -> int | None:
    """The index of the normalised line that a quote is from: one that holds it, or, as models quote loosely
    and across sentences, the one with most of its words if these are more than half."""
    wanted = normalise(quote).strip(' ."…-*•')
    if not wanted:
        return None
    for index, line in enumerate(lines):
        if wanted in line:
            return index
    words = set(wanted.split()) - STOP_WORDS
    shares = [len(words & set(line.split())) for line in lines]
    best = max(shares, default=0)
    return shares.index(best) if words and best * 2 > len(words) else None
