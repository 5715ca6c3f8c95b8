"""Conversions that the trainer asks for again and again: one file, whole and the same each time, or why not."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from hub_parts.models import Library, TinyModel
from running import until

from hone_contracts.hub import Conversion, RequestConversion
from hone_hub.file_roots import FileRoots
from hone_hub.gguf import read_file
from hone_hub.refusals import Refused
from hone_hub.training.conversions import FolderConversions
from hone_hub.training.errands import Errands

pytestmark = pytest.mark.slow


@pytest.fixture
def source(library: Library, tmp_path: Path) -> Path:
    return Path(shutil.copytree(library.folder(TinyModel()), tmp_path / "merged"))


def hub(tmp_path: Path, errands: Errands | None = None) -> FolderConversions:
    return FolderConversions(FileRoots((tmp_path,)), errands or Errands(), parallel=1)


def question(source: Path, target: Path, **more: str) -> RequestConversion:
    told = {"quantization": "q8_0", "name": "team", "version": "v2_x"} | more
    return RequestConversion(source_uri=source.as_uri(), target_uri=target.as_uri(), **told)


async def done(conversions: FolderConversions, wanted: RequestConversion) -> Conversion:
    return await until(lambda: conversions.convert(wanted), lambda told: told.sha256 is not None)


async def refusal(conversions: FolderConversions, wanted: RequestConversion) -> str:
    with pytest.raises(Refused) as refused:
        await done(conversions, wanted)
    assert "; " in refused.value.body().detail, "it says what to do"
    return refused.value.body().code


def workers() -> list[psutil.Process]:
    found = [each for each in psutil.Process().children() if each.status() != psutil.STATUS_ZOMBIE]
    return [each for each in found if "hone_hub.worker" in each.cmdline()]


def lying(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


async def test_a_folder_becomes_the_same_file_whoever_asks_and_how_often(
    source: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "one", tmp_path / "two"
    first.mkdir()
    second.mkdir()
    conversions = hub(tmp_path)
    told = await done(conversions, question(source, first / "model.gguf"))
    content = (first / "model.gguf").read_bytes()
    assert told.sha256 == hashlib.sha256(content).hexdigest()
    assert told.size_bytes == told.done_bytes == told.total_bytes == len(content)
    assert lying(first) == ["model.gguf", "model.gguf.json"]
    header = read_file(first / "model.gguf")
    assert (header.text("general.name"), header.text("general.version")) == ("team", "v2_x")

    made_at = (first / "model.gguf").stat().st_mtime_ns
    assert await hub(tmp_path).convert(question(source, first / "model.gguf")) == told, "answered at once"
    assert (first / "model.gguf").stat().st_mtime_ns == made_at
    assert (await done(conversions, question(source, second / "model.gguf"))).sha256 == told.sha256


async def test_another_question_or_other_weights_are_converted_anew(
    source: Path, library: Library, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    conversions, target = hub(tmp_path), out / "model.gguf"
    told = [
        await done(conversions, question(source, target)),
        await done(conversions, question(source, target, quantization="f16")),
        await done(conversions, question(source, target, version="v3_x")),
    ]
    shutil.copy(library.folder(TinyModel(seed=1)) / "model.safetensors", source / "model.safetensors")
    told.append(await done(conversions, question(source, target, version="v3_x")))
    assert len({each.sha256 for each in told}) == 4
    assert told[-1].sha256 == hashlib.sha256(target.read_bytes()).hexdigest()


async def test_several_hubs_that_are_asked_in_turn_make_one_file(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    wanted = question(source, out / "model.gguf")
    told = await asyncio.gather(*(done(hub(tmp_path), wanted) for _ in range(3)))
    assert len({each.sha256 for each in told}) == 1
    assert lying(out) == ["model.gguf", "model.gguf.json"]


async def test_a_conversion_that_cannot_be_is_refused_with_its_own_error_and_begun_anew_when_asked_again(
    source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    conversions, wanted = hub(tmp_path), question(source, out / "model.gguf")
    weights = (source / "model.safetensors").read_bytes()
    (source / "model.safetensors").write_bytes(weights[:-100])
    assert await refusal(conversions, wanted) == "source_invalid"
    assert lying(out) == []
    (source / "model.safetensors").write_bytes(weights)
    assert (await done(conversions, wanted)).sha256 is not None


async def test_a_worker_that_is_killed_in_the_middle_leaves_nothing(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    conversions, wanted = hub(tmp_path, Errands(wait_s=0)), question(source, out / "model.gguf")
    assert (await conversions.convert(wanted)).sha256 is None
    (worker,) = await until(workers)
    worker.kill()
    assert await refusal(conversions, wanted) == "worker_died"
    assert lying(out) == []
    assert (await done(conversions, wanted)).sha256 is not None


async def test_a_hub_that_is_killed_in_the_middle_leaves_its_work_to_the_next(
    source: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    wanted = question(source, out / "model.gguf")
    hubs = [sys.executable, "-c", _ANOTHER_HUB, str(tmp_path), wanted.model_dump_json()]
    with subprocess.Popen(hubs, start_new_session=True) as other:
        (worker,) = await until(lambda: psutil.Process(other.pid).children(), limit_s=60)
        worker.suspend()
        waiting = asyncio.create_task(done(hub(tmp_path), wanted))
        await asyncio.sleep(0.5)
        assert not waiting.done(), "one at a time"
        other.kill()
    worker.resume()
    told = await waiting
    assert told.sha256 == hashlib.sha256((out / "model.gguf").read_bytes()).hexdigest()
    await until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
    assert lying(out) == ["model.gguf", "model.gguf.json"]


_ANOTHER_HUB = """
import asyncio, sys
from pathlib import Path
from hone_contracts.hub import RequestConversion
from hone_hub.file_roots import FileRoots
from hone_hub.training.conversions import FolderConversions
from hone_hub.training.errands import Errands

async def main():
    hub = FolderConversions(FileRoots((Path(sys.argv[1]),)), Errands(), parallel=1)
    await hub.convert(RequestConversion.model_validate_json(sys.argv[2]))
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_what_nobody_asks_for_any_more_is_ended(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    errands = Errands(forgotten_after_s=0.1, wait_s=0)
    await hub(tmp_path, errands).convert(question(source, out / "model.gguf"))
    (worker,) = await until(workers)
    worker.suspend()
    keeping = asyncio.create_task(errands.keep(None))  # type: ignore[arg-type]  # it needs nothing of the service
    try:
        await asyncio.sleep(0.3)
        worker.resume()
        await until(lambda: not workers())
    finally:
        keeping.cancel()
    assert lying(out) == []


async def test_what_somebody_else_put_there_stays(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "model.gguf").write_bytes(b"somebody's own")
    assert await refusal(hub(tmp_path), question(source, out / "model.gguf")) == "version_taken"
    (out / "model.gguf.json").write_text('{"wanted": 7}')
    assert await refusal(hub(tmp_path), question(source, out / "model.gguf")) == "version_taken"
    assert (out / "model.gguf").read_bytes() == b"somebody's own"


async def test_a_file_that_was_changed_is_made_again(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    wanted = question(source, out / "model.gguf")
    told = await done(hub(tmp_path), wanted)
    (out / "model.gguf").write_bytes(b"cut")
    assert await done(hub(tmp_path), wanted) == told
    assert hashlib.sha256((out / "model.gguf").read_bytes()).hexdigest() == told.sha256


async def test_what_leads_elsewhere_is_refused(source: Path, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    own = Path(shutil.copytree(source, inside / "merged"))
    (inside / "away").symlink_to(tmp_path)
    conversions = FolderConversions(FileRoots((inside,)), Errands(), parallel=1)
    wrong = {
        "outside_roots": question(source, inside / "model.gguf"),
        "target_not_gguf": question(own, inside / "model.safetensors"),
        "file_missing": question(own, inside / "nowhere" / "model.gguf"),
    }
    for code, wanted in wrong.items():
        assert await refusal(conversions, wanted) == code
    assert await refusal(conversions, question(own, inside / "away" / "model.gguf")) == "outside_roots"
    assert await refusal(conversions, question(inside / "absent", inside / "model.gguf")) == "file_missing"
    assert not (tmp_path / "model.gguf").exists()
