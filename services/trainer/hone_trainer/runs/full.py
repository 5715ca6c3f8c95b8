"""The method ``full``: all weights of Hone's own small model are changed, in a process of its own."""

import asyncio
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from hone_chassis.database import Database
from hone_contracts.hub import FindWeights, Weights
from hone_contracts.teaching import RenderedExample
from hone_contracts.training import PlannedVersion
from hone_trainer import finetune
from hone_trainer.asking import Asking
from hone_trainer.errors import BadSetting, BaseUnknown, NothingToTeach, PackagesMissing
from hone_trainer.finetune import pairs as pairs_file
from hone_trainer.finetune.spec import Settings, Spec
from hone_trainer.rendering import render
from hone_trainer.runs import housekeeping, process
from hone_trainer.runs.worker import Assignment, Made


@dataclass(frozen=True)
class Full:
    """``root`` is the folder of all runs' files."""

    ask: Asking
    root: Path
    database: Database

    async def __call__(self, assignment: Assignment) -> Made:
        if missing := finetune.missing():
            raise PackagesMissing(missing)
        settings, seed = _settings(assignment.settings)
        base = await self._base(assignment.planned)
        rendered = await render(
            self.ask,
            assignment.tenant,
            assignment.dataset.artifact_type,
            assignment.planned.reading,
            [example.text for example, _ in assignment.train],
        )
        pairs = _pairs(assignment, rendered)
        if not pairs:
            raise NothingToTeach(left_out(rendered))
        await housekeeping.tidy(self.database, self.root)
        folder = self.root / assignment.run_id / f"worker-{assignment.fence}"
        spec = Spec(
            base_gguf=base, pairs=folder / "pairs.jsonl", out=folder / "out", seed=seed, settings=settings
        )
        spec_path = await asyncio.to_thread(_prepare, folder, spec, pairs)
        figures = await process.run(finetune.command(spec_path), assignment.progress)
        return Made(
            weights_uri=(spec.out / "hf").as_uri(),
            prompt=None,
            parameters=settings.model_dump() | {"seed": seed},
            figures=figures | {"pairs": len(pairs), "examples_left_out": left_out(rendered)},
        )

    async def _base(self, planned: PlannedVersion) -> Path:
        """The champion's file: where the registry has it, or where its provider keeps it. Raises BaseUnknown, and
        what the hub raises."""
        if planned.base.model_uri is None:
            model = planned.base.served_by or planned.model
            return _file((await self.ask(FindWeights(model=model), Weights)).uri, planned)
        return _file(planned.base.model_uri, planned)


def _settings(told: Any) -> tuple[Settings, int]:
    """Raises BadSetting."""
    told = dict(told)
    seed = told.pop("seed", 1)
    try:
        if not isinstance(seed, int) or not 0 <= seed < 1 << 31:
            raise BadSetting(f"seed: {seed!r} is no number from 0 to 2^31 - 1")
        return Settings.model_validate(told), seed
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BadSetting(
            f"{where}: {first['msg']}; full knows {', '.join(Settings.model_fields)}, seed"
        ) from error


def _file(told: str, planned: PlannedVersion) -> Path:
    """Raises BaseUnknown."""
    uri = urlsplit(told)
    path = Path(unquote(uri.path))
    if uri.scheme != "file" or not path.is_file():
        raise BaseUnknown(planned.model, told)
    return path


def _pairs(assignment: Assignment, rendered: Sequence[RenderedExample]) -> list[pairs_file.Pair]:
    found = [
        pairs_file.Pair(
            system=pair.system or None,
            user=pair.user,
            assistant=pair.assistant,
            weight=weight,
            group=example.id,
        )
        for (example, weight), each in zip(assignment.train, rendered, strict=True)
        for pair in each.pairs
        if len(pair.user) <= pairs_file.MAX_TEXT_CHARS
        and 0 < len(pair.assistant) <= pairs_file.MAX_TEXT_CHARS
    ]
    return found[: pairs_file.MAX_PAIRS]


def left_out(rendered: Sequence[RenderedExample]) -> dict[str, int]:
    return dict(Counter(each.reason or "no pair says it" for each in rendered if not each.pairs))


def _prepare(folder: Path, spec: Spec, pairs: Sequence[pairs_file.Pair]) -> Path:
    """Earlier workers' folders of the run go: what they made was not taken."""
    for old in folder.parent.glob("worker-*"):
        shutil.rmtree(old, ignore_errors=True)
    folder.mkdir(parents=True)
    pairs_file.write(spec.pairs, pairs)
    return spec.write(folder / "spec.json")
