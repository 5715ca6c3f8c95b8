"""Maximal marginal relevance (Carbonell & Goldstein 1998): the next example is the one that is most relevant and
least like those that are chosen already.

    argmax  λ · relevance(i) − (1 − λ) · max similarity(i, chosen)
"""

from collections.abc import Callable, Sequence


def choose(
    relevance: Sequence[float],
    similarity: Callable[[int, int], float],
    sizes: Sequence[int],
    *,
    most: int,
    room: int,
    diversity: float,
) -> list[int]:
    """Indices in the order of choice: at most ``most``, of ``sizes`` that together fit into ``room``. ``diversity``
    is 1 − λ. What does not fit is passed over for what does."""
    chosen: list[int] = []
    alike = [0.0] * len(relevance)
    left = {i for i, size in enumerate(sizes) if size <= room}
    while left and len(chosen) < most:
        best = max(left, key=lambda i: ((1 - diversity) * relevance[i] - diversity * alike[i], -i))
        chosen.append(best)
        room -= sizes[best]
        left = {i for i in left if i != best and sizes[i] <= room}
        for i in left:
            alike[i] = max(alike[i], similarity(i, best))
    return chosen
