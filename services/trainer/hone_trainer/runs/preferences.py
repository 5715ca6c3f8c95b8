"""What people were for and against, as KTO takes it: unpaired answers with labels, written as the model is asked."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hone_contracts.evaluation import HeldOutItem
from hone_contracts.teaching import ExampleText, RenderedExample
from hone_trainer.asking import Asking
from hone_trainer.rendering import render
from hone_trainer.runs.files import DatasetFiles
from hone_trainer.runs.worker import Assignment
from hone_trainer.tuning.errors import OneSided

Row = dict[str, Any]


@dataclass(frozen=True)
class _Judged:
    text: ExampleText
    weight: float
    group: str


@dataclass(frozen=True)
class Preferences:
    """Rows for the tuning process: ``{"prompt", "completion", "label", "weight", "group"}``."""

    ask: Asking
    files: DatasetFiles

    async def rows(self, assignment: Assignment) -> list[Row]:
        """To train on. Raises OneSided, NoSuchDataset, and what the generator raises."""
        good = [_Judged(each.text, weight, each.id) for each, weight in assignment.train]
        rows = await self._rows(assignment, good, await self._against(assignment, held_out=False))
        sides = Counter(row["label"] for row in rows)
        if not (sides[True] and sides[False]):
            raise OneSided(sides[True], sides[False])
        return rows

    async def held_out(self, assignment: Assignment) -> list[Row]:
        """Never trained on. None of them may be one that people were against."""
        items = await asyncio.to_thread(self.files.held_out, assignment.dataset.digest)
        good = [_Judged(_text_of(item), 1.0, item.item) for item in items if item.reference]
        return await self._rows(assignment, good, await self._against(assignment, held_out=True))

    async def _against(self, assignment: Assignment, *, held_out: bool) -> list[_Judged]:
        found = await asyncio.to_thread(self.files.against, assignment.dataset.digest)
        return [
            _Judged(each.example.text, each.weight, each.example.id)
            for each in found
            if each.held_out is held_out
        ]

    async def _rows(
        self, assignment: Assignment, good: Sequence[_Judged], against: Sequence[_Judged]
    ) -> list[Row]:
        rendered = await render(
            self.ask,
            assignment.tenant,
            assignment.dataset.artifact_type,
            assignment.planned.reading,
            [each.text for each in (*good, *against)],
        )
        wanted = list(_labelled(good, rendered[: len(good)], label=True))
        unwanted = list(_labelled(against, rendered[len(good) :], label=False))
        # Of an answer in passages most may have been right: a correction says nothing against what it kept.
        right = {_said(row) for row in wanted}
        return [*wanted, *(row for row in unwanted if _said(row) not in right)]


def _text_of(item: HeldOutItem) -> ExampleText:
    return ExampleText(
        requirements=item.requirements,
        content=item.reference or "",
        context_text=item.context_text,
        options=item.options,
    )


def _labelled(
    judged: Sequence[_Judged], rendered: Sequence[RenderedExample], *, label: bool
) -> Iterator[Row]:
    for one, each in zip(judged, rendered, strict=True):
        for pair in each.pairs:
            if pair.user.strip() and pair.assistant.strip():
                system = [{"role": "system", "content": pair.system}] if pair.system else []
                yield {
                    "prompt": [*system, {"role": "user", "content": pair.user}],
                    "completion": pair.assistant,
                    "label": label,
                    "weight": one.weight,
                    "group": one.group,
                }


def _said(row: Row) -> tuple[str, ...]:
    return (*(turn["content"] for turn in row["prompt"]), row["completion"].strip())
