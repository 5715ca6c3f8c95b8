"""Two versions of the shipped model in llama.cpp at the same time: a canary and its champion."""

import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hone_contracts.artifacts import Artifact, ArtifactType
from hone_contracts.models import ModelRef
from hone_contracts.registry import CanaryVersion, Route
from hone_generator.artifacts import KINDS
from hone_generator.artifacts.kind import Tools
from hone_generator.engine.circuits import Circuits
from hone_generator.engine.engine import Engine, Request
from hone_generator.engine.telling import Audience
from hone_generator.mermaid import MermaidParser
from hone_generator.providers.llamacpp import LlamaCppProvider, LlamaCppSettings, ModelFile
from hone_generator.routing import Router

ERD = ArtifactType.MERMAID_ERD
STARTER = Path(__file__).parents[3] / "libs/hone/hone/starter/hone-starter-q8_0.gguf"
TEXT = "Each member has a name and an email. A member can have many loans."


class Table:
    """A routing table whose starter has a canary that every request meets."""

    def __init__(self, champion: Path, canary: Path) -> None:
        second = CanaryVersion(
            version=2, served_by="llamacpp:hone-starter:v2_x", model_uri=canary.as_uri(), share=1.0
        )
        self._route = Route(
            artifact_type=ERD,
            model="llamacpp:hone-starter",
            model_uri=champion.as_uri(),
            model_sha256="11",
            reading="passages",
            canary=second,
        )

    def resolve(self, artifact_type: ArtifactType) -> Route | None:
        return self._route

    def resolve_default(self) -> Route | None:
        return None


class Bench:
    def __init__(self, folder: Path) -> None:
        self.champion, self.canary = (
            Path(shutil.copy(STARTER, folder / f"{name}.gguf")) for name in ("v1", "v2")
        )
        files: dict[str, ModelFile] = {}
        self.provider = LlamaCppProvider(files, LlamaCppSettings(folders=(folder,), threads=1))
        self.tools = Tools(MermaidParser())
        self.router = Router(Table(self.champion, self.canary), files)

    async def generate(self, job_id: str | None) -> Artifact:
        route = await self.router.resolve(ERD, None, len(TEXT), job_id)
        engine = Engine({"llamacpp": self.provider}, self.tools, Circuits(time.monotonic))
        return await engine.generate(Request(KINDS[ERD], route, TEXT), Audience())

    def pid(self, name: str) -> int | None:
        return self.provider.pid(ModelRef("llamacpp", name))


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    await bench.provider.aclose()
    await bench.tools.mermaid.aclose()


def told(made: Artifact) -> list[tuple[Any, ...]]:
    return [(each.model, each.version, each.outcome) for each in made.attempts]


async def test_canary_and_champion_are_loaded_side_by_side_and_each_answer_says_whose_it_is(
    bench: Bench,
) -> None:
    canary, champion = await bench.generate("job_a"), await bench.generate(None)
    assert told(canary) == [("llamacpp:hone-starter", 2, "answered")]
    assert told(champion) == [("llamacpp:hone-starter", 1, "answered")]
    assert canary.content == champion.content  # it is the same file
    pids = {bench.pid("hone-starter"), bench.pid("hone-starter:v2_x")}
    assert len(pids) == 2 and None not in pids


async def test_a_canary_whose_file_is_broken_costs_nobody_the_answer(bench: Bench) -> None:
    bench.canary.write_bytes(STARTER.read_bytes()[:20_000])
    made = await bench.generate("job_a")
    assert told(made)[0] == ("llamacpp:hone-starter", 2, "failed")
    assert told(made)[-1] == ("llamacpp:hone-starter", 1, "answered")
    assert (made.version, made.accepted) == (1, True)
