"""The margin of a line within blocks."""

_WIDEST = 16  # an answer of thousands of nested blocks would be gigabytes of margin


def margin(depth: int) -> str:
    return "    " * min(depth, _WIDEST)
