"""Which answers that people were against go with a dataset. Pure."""

from collections.abc import Iterator, Sequence

from hone_trainer.examples import Example
from hone_trainer.pool.weights import weigh
from hone_trainer.runs.files import Against
from hone_trainer.runs.split import Split

MOST_EACH = 3
"""Answers against, to each good one. More would be weighed down to nothing by the balance of the two sides, and cost
time like the others."""

_HARMFUL = frozenset({"schema", "encoding", "control_tokens", "secrets", "personal_data"})
"""Gates whose errors say that a text must not be learned from, not even as one to avoid. That it is cut off, or holds
leftovers, may be what people were against."""


def choose(against: Sequence[Example], parts: Split, *, threshold: float, share: float) -> list[Against]:
    """Those that go with a dataset, the newest first: near-duplicates of held-out examples on their side, the others
    to be trained on. ``threshold``: of near-duplicates; ``share``: that one person's should not exceed.

    In a thread: it loads numpy, and looks at every word.
    """
    from hone_trainer.datasets import near  # noqa: PLC0415 (numpy: only a run needs it)

    fit = [each for each in against if _fit(each)]
    held_texts = [each.requirements for each in parts.held_out]
    groups = near.groups([*held_texts, *(each.requirements for each in fit)], threshold=threshold)
    held_groups = set(groups[: len(held_texts)])
    own = list(zip(fit, groups[len(held_texts) :], strict=True))
    kept = [each for each, group in own if group in held_groups]
    # What was held out in another run is not trained on, either.
    train = [each for each, group in own if group not in held_groups and not each.held_out]
    return [
        *_weighed(train[: MOST_EACH * len(parts.train)], share, held_out=False),
        *_weighed(kept[: MOST_EACH * len(parts.held_out)], share, held_out=True),
    ]


def _weighed(examples: Sequence[Example], share: float, *, held_out: bool) -> Iterator[Against]:
    weights = weigh([each.contributor for each in examples], [each.agreement for each in examples], share)
    for example, weight in zip(examples, weights, strict=True):
        yield Against(example, weight, held_out)


def _fit(example: Example) -> bool:
    from hone_trainer.datasets.check import RowGates  # noqa: PLC0415 (numpy: only a run needs it)
    from hone_trainer.datasets.row_text import RowText  # noqa: PLC0415
    from hone_trainer.datasets.rows import Row, Turn  # noqa: PLC0415
    from hone_trainer.datasets.settings import GateSettings  # noqa: PLC0415

    settings = GateSettings()
    row = Row(1, (Turn("user", example.requirements), Turn("assistant", example.content)))
    found = RowGates(settings).see(row, RowText.of(row))
    return not any(each.gate in _HARMFUL and each.severity == "error" for each in found)
