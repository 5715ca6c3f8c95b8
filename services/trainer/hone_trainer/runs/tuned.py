"""The methods ``lora``, ``qlora`` and ``kto``: what was trained, merged, converted and measured is what is deployed.

Three processes do the work (`hone_trainer.tuning`), and between them others have their turn: the hub reads prompts as
the engine will, and makes the file that is served. Whatever is lost on the way, by the template, the merge or the
quantization, ends the run with its figures before anything is deployed.
"""

import asyncio
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hone_chassis.database import Database
from hone_contracts.hub import Conversion, PromptsRead, ReadPrompts, RequestConversion
from hone_contracts.teaching import ExampleText, RenderedExample
from hone_trainer import tuning
from hone_trainer.asking import Asking
from hone_trainer.errors import NoSuchRun, NothingToTeach, PackagesMissing
from hone_trainer.rendering import render
from hone_trainer.runs import book, housekeeping, repeating
from hone_trainer.runs.card import Card
from hone_trainer.runs.full import left_out
from hone_trainer.runs.origin import Origin, Origins
from hone_trainer.runs.preferences import Preferences
from hone_trainer.runs.worker import Assignment, Made
from hone_trainer.tuning.settings import Resolved, layers_of, resolve
from hone_trainer.tuning.spec import OLD_SKILLS, Spec

_ASK_AGAIN_S = 0.5
_LARGE_BYTES = 4 << 30
"""Of a merged model: from here on it is served in 4 bits, as people take such models, and below in 8, which lose
nothing that can be measured."""


@dataclass(frozen=True)
class Tuned:
    """``root`` is the folder of all runs' files."""

    ask: Asking
    root: Path
    database: Database
    card: Card
    preferences: Preferences

    async def __call__(self, assignment: Assignment) -> Made:
        method, progress = assignment.method, assignment.progress
        if missing := tuning.missing(method):
            raise PackagesMissing(missing)
        settings, repeats = repeating.split(assignment.settings)
        before = None if repeats is None else await self._earlier(repeats)
        if before is not None:
            settings = repeating.decided(before)
        resolved = resolve(method, *layers_of(settings))  # type: ignore[arg-type]  # one of the three
        await housekeeping.tidy(self.database, self.root)
        origin = await self._origin(assignment, resolved, before)
        folder = self.root / assignment.run_id / f"worker-{assignment.fence}"
        spec = await self._spec(assignment, settings, origin, folder)
        spec_path = await asyncio.to_thread(_begin, folder, spec)

        async def phase(name: tuning.Phase, device: str) -> dict[str, Any]:
            """With the card, where it may use one: what fits is predicted when models that answer have left it."""
            command = tuning.command(name, spec_path)
            return await self.card.run(command, progress, assignment.hold, spec.control, device)

        prepared = await phase("prepare", resolved.settings.device)
        device = str(prepared["settings"]["device"]["value"])
        await self._compare_prompts(spec)
        trained = await phase("train", device)
        gguf, sha256, quantization = await self._converted(spec, resolved, assignment)
        measured = await phase("measure", device)
        return Made(
            weights_uri=(spec.out / "merged").as_uri(),
            gguf_uri=gguf.as_uri(),
            gguf_sha256=sha256,
            prompt=None,
            parameters={
                "settings": prepared["settings"],
                "source": origin.source,
                "adapter_uri": (spec.out / "adapter").as_uri(),
                "continues": None if origin.adapter is None else origin.adapter.as_uri(),
                "adapter_sha256": trained["adapter_sha256"],
                "quantization": quantization,
                **({"gguf_uri": origin.gguf.as_uri()} if origin.gguf else {}),
            },
            figures=_figures(prepared, trained, measured, origin) | _repeated(repeats, before, trained),
        )

    async def _origin(
        self, assignment: Assignment, resolved: Resolved, before: Mapping[str, Any] | None
    ) -> Origin:
        origins = Origins(self.ask, self.database)
        if before is not None:
            return await origins.of_run(before, assignment.progress)
        return await origins.of(
            assignment.tenant, assignment.planned, resolved.settings.checkpoint, assignment.progress
        )

    async def _earlier(self, run_id: str) -> Mapping[str, Any]:
        """The parameters of the run that is repeated."""
        async with self.database.read() as session:
            run = await book.find(session, run_id)
        if run is None:
            raise NoSuchRun(run_id)
        return dict(run["parameters"])

    async def _spec(
        self, assignment: Assignment, settings: Mapping[str, Any], origin: Origin, folder: Path
    ) -> Spec:
        kto = assignment.method == "kto"
        rows, held_out, notes = await (self._judged(assignment) if kto else self._taught(assignment))
        await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        await asyncio.to_thread(_write_rows, folder / "train.jsonl", rows)
        await asyncio.to_thread(_write_rows, folder / "held_out.jsonl", held_out)
        return Spec(
            kind="kto" if kto else "sft",
            method=assignment.method,
            checkpoint=origin.checkpoint or folder / "base",
            gguf=origin.gguf,
            adapter=origin.adapter,
            train=folder / "train.jsonl",
            held_out=folder / "held_out.jsonl" if held_out else None,
            probes=folder / "out" / OLD_SKILLS if origin.gguf else None,
            folder=folder,
            checkpoints=folder.parent / "checkpoints",
            cache=self.root.parent / "tokenised",
            settings=dict(settings),
            fence=assignment.fence,
            told={
                "run": assignment.run_id,
                "dataset": assignment.dataset.digest,
                "model": assignment.planned.model,
                "version": assignment.planned.name,
                "base": origin.source,
                "examples_left_out": notes,
            },
        )

    async def _taught(self, assignment: Assignment) -> tuple[list[Any], list[Any], dict[str, int]]:
        """Rows of the examples as the model is asked, and of the held-out ones with what people made of them."""
        rendered = await self._render(assignment, [example.text for example, _ in assignment.train])
        rows = [
            _row(pair.system, pair.user, pair.assistant, weight, example.id)
            for (example, weight), each in zip(assignment.train, rendered, strict=True)
            for pair in each.pairs
        ]
        if not rows:
            raise NothingToTeach(left_out(rendered))
        found = await asyncio.to_thread(self.preferences.files.held_out, assignment.dataset.digest)
        items = [item for item in found if item.reference]
        kept = await self._render(
            assignment,
            [
                ExampleText(
                    requirements=item.requirements,
                    content=item.reference or "",
                    context_text=item.context_text,
                    options=item.options,
                )
                for item in items
            ],
        )
        held_out = [
            _row(pair.system, pair.user, pair.assistant, 1.0, item.item)
            for item, each in zip(items, kept, strict=True)
            for pair in each.pairs
        ]
        return rows, held_out, left_out(rendered)

    async def _judged(self, assignment: Assignment) -> tuple[list[Any], list[Any], dict[str, int]]:
        rows, held_out = await self.preferences.rows(assignment), await self.preferences.held_out(assignment)
        if len({row["label"] for row in held_out}) < 2:
            held_out = []  # one side alone measures half of what is learned: some of both are kept back instead
        return list(rows), list(held_out), {}

    async def _render(self, assignment: Assignment, texts: Sequence[ExampleText]) -> list[RenderedExample]:
        return await render(
            self.ask,
            assignment.tenant,
            assignment.dataset.artifact_type,
            assignment.planned.reading,
            texts,
        )

    async def _compare_prompts(self, spec: Spec) -> None:
        """Token by token what is trained with what the engine will read. Raises TemplateDiffers."""
        from hone_trainer.tuning import samples  # noqa: PLC0415 - imports no torch, but only a run needs it

        taken = await asyncio.to_thread(samples.read, spec.out / "parity")
        question = ReadPrompts(source_uri=(spec.out / "parity").as_uri(), conversations=taken.conversations)
        samples.compare(taken, await self.ask(question, PromptsRead))

    async def _converted(
        self, spec: Spec, resolved: Resolved, assignment: Assignment
    ) -> tuple[Path, str, str]:
        """The hub makes the file that is served."""
        source, target = spec.out / "merged", spec.out / "model.gguf"
        quantization = resolved.settings.quantization
        if quantization == "auto" and spec.gguf is not None:
            # Its base was rounded to 8 bits before: rounded again to the same steps, most of what an adapter adds
            # is smaller than half a step, and gone (1.32 became 1.49 nats a token).
            quantization = "f16"
        elif quantization == "auto":
            large = await asyncio.to_thread(_weights_bytes, source) >= _LARGE_BYTES
            quantization = "q4_k_m" if large else "q8_0"
        question = RequestConversion(
            source_uri=source.as_uri(),
            target_uri=target.as_uri(),
            quantization=quantization,
            name=assignment.planned.model.partition(":")[2][:200],
            version=assignment.planned.name,
        )
        while True:
            found = await self.ask(question, Conversion)
            if found.sha256 is not None:
                return target, found.sha256, quantization
            await assignment.progress(
                "convert", f"to {quantization}", done=found.done_bytes, total=found.total_bytes or None
            )
            await asyncio.sleep(_ASK_AGAIN_S)


def _figures(
    prepared: dict[str, Any], trained: dict[str, Any], measured: dict[str, Any], origin: Origin
) -> dict[str, Any]:
    told = {name: value for name, value in prepared.items() if name not in ("settings", "notes")}
    notes = [*prepared.get("notes", ()), *([origin.note] if origin.note else ())]
    return {**told, "training": trained, "measured": measured, "notes": notes}


def _repeated(
    repeats: str | None, before: Mapping[str, Any] | None, trained: Mapping[str, Any]
) -> dict[str, Any]:
    """Whether the same adapter came of it, to the bit."""
    if before is None:
        return {}
    same = before.get("adapter_sha256") == trained["adapter_sha256"]
    return {"repeated": {"run": repeats, "same_adapter": same}}


def _row(system: str, user: str, assistant: str, weight: float, group: str) -> dict[str, Any]:
    before = [{"role": "system", "content": system}] if system else []
    messages = [*before, {"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
    return {"messages": messages, "weight": weight, "group": group}


def _write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=True) + "\n")


def _begin(folder: Path, spec: Spec) -> Path:
    """Earlier workers' folders of the run go: their checkpoints stand beside them, and all else is made again."""
    for old in folder.parent.glob("worker-*"):
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)
    (folder / "control").unlink(missing_ok=True)
    return spec.write(folder / "spec.json")


def _weights_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))
