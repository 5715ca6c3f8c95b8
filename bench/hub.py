"""The hub's benchmarks: downloads beside `hf download`; with ``convert`` or ``deploy`` those of the other two files.

    python bench/hub.py [download] [--gigabytes 1.0] [--files 1] [--runs 3]
    python bench/hub.py convert|deploy [their own options]

One server in a process of its own serves both, in turn, each into an empty cache. ``hf`` brings its start, which
Hone's service has behind it; Hone brings the start of its worker, the digest of every byte and an fsync, which ``hf``
leaves out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

_HERE = Path(__file__).parent
sys.path.insert(0, str(_HERE.parent / "tests/support"))

from local_hub import serving  # noqa: E402
from local_hub.repositories import Repository, stored  # noqa: E402

from hone_contracts.huggingface import RepositoryFile  # noqa: E402
from hone_hub.downloads.downloads import Downloads, Wanted  # noqa: E402
from hone_hub.huggingface.access import HubAccess  # noqa: E402
from hone_hub.work import Step  # noqa: E402

_REPOSITORY = "bench/large-GGUF"
_TARGET = 1.0


def main() -> None:
    if sys.argv[1:2] in (["convert"], ["deploy"]):
        script = _HERE / f"hub_{sys.argv[1]}.py"
        sys.exit(subprocess.run([sys.executable, script, *sys.argv[2:]], check=False).returncode)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", nargs="?", default="download", choices=["download"])
    parser.add_argument("--gigabytes", type=float, default=1.0, help="of all files together")
    parser.add_argument("--files", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where there is room for twice that")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        print(json.dumps(measure(Path(folder), options.gigabytes, options.files, options.runs), indent=1))


def measure(folder: Path, gigabytes: float, files: int, runs: int) -> dict[str, float | int]:
    """Seconds and rates of both, medians, and how many times `hf download`'s rate ours is."""
    made = make(folder / "served", int(gigabytes * 1e9) // files, files)
    size_bytes = sum(path.stat().st_size for path in made.values())
    ours, theirs = [], []
    with served(made) as url:
        for _ in range(runs):
            theirs.append(with_hf(url, folder / "cache"))
            ours.append(with_hone(url, made, folder / "cache"))
    hone_s, hf_s = statistics.median(ours), statistics.median(theirs)
    return {
        "bytes": size_bytes,
        "files": files,
        "hf_s": round(hf_s, 2),
        "hone_s": round(hone_s, 2),
        "hf_mb_per_s": round(size_bytes / hf_s / 1e6),
        "hone_mb_per_s": round(size_bytes / hone_s / 1e6),
        "ratio": round(hf_s / hone_s, 2),
        "target": _TARGET,
    }


def make(folder: Path, size_bytes: int, files: int) -> dict[str, Path]:
    folder.mkdir()
    made = {f"part-{number}.gguf": folder / f"{number}" for number in range(files)}
    for path in made.values():
        with path.open("wb") as file:
            while left := size_bytes - file.tell():
                file.write(os.urandom(min(left, 16 << 20)))
    return made


@contextmanager
def served(files: dict[str, Path]) -> Iterator[str]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(files, theirs), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


def _serve(files: dict[str, Path], ready: Connection) -> None:
    with serving() as hub:
        repository = hub.add(_REPOSITORY, files)
        assert repository.commit, "its digests are known before anybody asks"
        ready.send(hub.url)
        time.sleep(1e6)


def with_hf(url: str, cache: Path) -> float:
    hf = shutil.which("hf", path=str(Path(sys.executable).parent)) or "hf"
    environment = os.environ | {"HF_ENDPOINT": url, "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    started = time.monotonic()
    subprocess.run(
        [hf, "download", _REPOSITORY, "--cache-dir", cache],
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    seconds = time.monotonic() - started
    shutil.rmtree(cache)
    return seconds


def with_hone(url: str, files: dict[str, Path], cache: Path) -> float:
    repository = Repository(_REPOSITORY, stored(files))
    wanted = Wanted(
        _REPOSITORY,
        repository.commit,
        tuple(
            RepositoryFile(path=file.path, size_bytes=file.size, sha256=file.sha256)
            for file in repository.files.values()
        ),
    )
    started = time.monotonic()
    asyncio.run(Downloads(cache, HubAccess(url), spare_bytes=0).fetch(wanted, _hear))
    seconds = time.monotonic() - started
    shutil.rmtree(cache)
    return seconds


async def _hear(_step: Step) -> None:
    return


if __name__ == "__main__":
    main()
