"""What can be reached in a graph: for steps, states, and classes that inherit in circles."""

from collections.abc import Iterable, Mapping, Sequence


def successors(edges: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for from_, to in edges:
        found.setdefault(from_, []).append(to)
    return found


def reached(starts: Iterable[str], after: Mapping[str, Sequence[str]]) -> set[str]:
    """All that can be reached from the starts, these included."""
    open_ = list(dict.fromkeys(starts))
    seen = set(open_)
    while open_:
        for node in after.get(open_.pop(), ()):
            if node not in seen:
                seen.add(node)
                open_.append(node)
    return seen


def in_circles(after: Mapping[str, Sequence[str]]) -> list[str]:
    """The nodes that lie on a circle, or between two, in the order of their edges."""
    left = {node: list(dict.fromkeys(next_)) for node, next_ in after.items()}
    for table in (left, _reversed(left)):
        waiting = {node: len(next_) for node, next_ in table.items()}
        before = _reversed(table)
        free = [node for node in before if not waiting.get(node)]
        while free:
            node = free.pop()
            left.pop(node, None)
            for previous in before.get(node, ()):
                waiting[previous] -= 1
                if not waiting[previous]:
                    free.append(previous)
    return list(left)


def _reversed(after: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    return successors((to, from_) for from_, next_ in after.items() for to in next_)
