"""Where a run's base comes from: the weights in 16 bits that the champion was made of, and its adapter."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sqlalchemy import select
from sqlalchemy.engine import RowMapping

from hone_chassis import Permanent, ProgressPublisher
from hone_chassis.database import Database
from hone_contracts.hub import Checkpoint, RequestCheckpoint
from hone_contracts.training import PlannedVersion
from hone_trainer.asking import Asking
from hone_trainer.errors import BaseUnknown
from hone_trainer.runs.book import RUNS

_ASK_AGAIN_S = 1.0
_R = RUNS.c
_TUNED = ("lora", "qlora", "kto")


@dataclass(frozen=True)
class Origin:
    """``checkpoint`` is a folder in Hugging Face's layout; with ``gguf`` it is unpacked from that file of Hone's own
    model, and may not be there yet. ``source`` names the base for good."""

    source: str
    checkpoint: Path | None
    gguf: Path | None = None
    adapter: Path | None = None
    note: str = ""


@dataclass(frozen=True)
class Origins:
    ask: Asking
    database: Database

    async def of(
        self, tenant: str, planned: PlannedVersion, told: str | None, progress: ProgressPublisher
    ) -> Origin:
        """``told`` is a repository or folder that a person named. Raises BaseUnknown, and what the hub raises."""
        if told is not None:
            return await self._checkpoint(_reference(told), progress)
        before = await self._tuned_before(tenant, planned)
        if before is not None:
            return await self._continued(planned, before, progress)
        try:
            return await self._checkpoint(planned.model, progress)
        except Permanent as error:
            if error.code != "no_checkpoint":
                raise
            return self._own(planned, error)

    async def of_run(self, parameters: Mapping[str, Any], progress: ProgressPublisher) -> Origin:
        """Where an earlier run began, to the byte. Raises BaseUnknown, and what the hub raises."""
        if parameters.get("gguf_uri"):
            gguf = _path(parameters["gguf_uri"])
            if gguf is None or not gguf.is_file():
                raise BaseUnknown(parameters["source"], parameters["gguf_uri"])
            origin = Origin(parameters["source"], None, gguf)
        else:
            origin = await self._checkpoint(parameters["source"], progress)
        adapter = _path(parameters.get("continues"))
        if adapter is not None and not adapter.is_dir():
            raise BaseUnknown(parameters["source"], parameters["continues"])
        return replace(origin, adapter=adapter)

    async def _continued(
        self, planned: PlannedVersion, before: RowMapping, progress: ProgressPublisher
    ) -> Origin:
        """The champion's own base, and its adapter to learn on with."""
        kept = before["parameters"]
        adapter = _path(kept.get("adapter_uri"))
        if kept.get("gguf_uri"):
            gguf = _path(kept["gguf_uri"])
            if gguf is None or not gguf.is_file():
                # The base's file is gone; the champion's own file holds base and adapter together.
                return self._own(
                    planned, None, "the champion's base is gone: a new adapter begins on the champion"
                )
            origin = Origin(kept["source"], None, gguf)
        else:
            origin = await self._checkpoint(kept["source"], progress)
        if adapter is None or not await asyncio.to_thread(adapter.is_dir):
            note = f"the adapter of version {planned.base.version} is gone: a new one begins on its base"
            return replace(origin, note=note)
        return replace(origin, adapter=adapter)

    async def _checkpoint(self, model: str, progress: ProgressPublisher) -> Origin:
        """Asked for until it is there; the first question begins its download."""
        while True:
            found = await self.ask(RequestCheckpoint(model=model), Checkpoint)
            if found.uri is not None:
                path = _path(found.uri)
                if path is None:
                    raise BaseUnknown(model, found.uri)
                return Origin(found.source or model, path)
            await progress(
                "download", f"weights of {model}", done=found.done_bytes, total=found.total_bytes or None
            )
            await asyncio.sleep(_ASK_AGAIN_S)

    def _own(self, planned: PlannedVersion, error: Permanent | None, note: str = "") -> Origin:
        """A file of Hone's own model; any other GGUF is refused when it is unpacked."""
        path = _path(planned.base.model_uri)
        if path is None or not path.is_file():
            raise error or BaseUnknown(planned.model, planned.base.model_uri)
        return Origin(f"{planned.model} version {planned.base.version}", None, path, None, note)

    async def _tuned_before(self, tenant: str, planned: PlannedVersion) -> RowMapping | None:
        """The run that made the champion's weights, where it trained an adapter. Few-shot versions in between changed
        none, and are looked through."""
        query = (
            select(_R.method, _R.planned, _R.parameters)
            .where(_R.tenant == tenant, _R.state == "succeeded", _R.planned.is_not(None))
            .order_by(_R.id.desc())
        )
        async with self.database.read() as session:
            rows = (await (await session.connection()).execute(query)).mappings().all()
        by_version: dict[int, RowMapping] = {}
        for row in rows:
            if row["planned"]["model"] == planned.model:
                by_version.setdefault(row["planned"]["version"], row)
        version = planned.base.version
        while (found := by_version.get(version)) is not None and found["method"] == "few_shot":
            version = _base_version(found["planned"], version)
        return found if found is not None and found["method"] in _TUNED else None


def _base_version(planned: dict[str, Any], version: int) -> int:
    """Of what a version was made from; 0 ends the way back."""
    before = planned["base"].get("version", 0)
    return int(before) if before < version else 0


def _reference(told: str) -> str:
    """A folder as its URI, a repository by the word that the hub knows it by."""
    if told.startswith("/"):
        return Path(told).as_uri()
    return told if ":" in told else f"hf:{told}"


def _path(uri: str | None) -> Path | None:
    if not uri:
        return None
    parts = urlsplit(uri)
    return Path(unquote(parts.path)) if parts.scheme == "file" else None
