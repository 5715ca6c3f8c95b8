"""What `hone dataset check` takes on a large file, and the same rows through what one would use otherwise.

    python bench/dataset_check.py [--rows 100000] [--others-rows 10000]

Rows are those of the tests (requirements and artifacts, 1 KB each, with planted errors). Each contestant runs in a
process of its own; seconds are of the clock, and of the processors (which a busy machine changes little), memory
is the most that the process and its children held together (PSS). datasketch (MinHash and LSH with the same threshold
and number of hashes, near-duplicates alone) and pandas (exact duplicates alone) run when they are installed;
datasketch on fewer rows, being linear too.
"""

import argparse
import importlib.util
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "services/trainer/tests"))

from planted import planted

_DATASKETCH = """
import json, sys
from datasketch import MinHash, MinHashLSH
lsh, near = MinHashLSH(threshold=0.8, num_perm=96), 0
for number, line in enumerate(open(sys.argv[1], "rb")):
    try:
        words = " ".join(turn["content"] for turn in json.loads(line)["messages"]).lower().split()
    except Exception:
        continue
    minhash = MinHash(num_perm=96)
    triples = [" ".join(words[at : at + 3]) for at in range(max(1, len(words) - 2))]
    minhash.update_batch([triple.encode("utf-8", "replace") for triple in triples])
    near += bool(lsh.query(minhash))
    lsh.insert(number, minhash)
print(near)
"""
_PANDAS = """
import json, sys
import pandas
rows = []
for line in open(sys.argv[1], "rb"):
    try:
        rows.append([str(turn.get("content")) for turn in json.loads(line)["messages"]][:2])
    except Exception:
        continue
print(pandas.DataFrame(rows).duplicated().sum())
"""


def _write(path: Path, rows: int) -> None:
    made = planted(1, clean=max(0, rows - 1140), each=20)
    path.write_bytes(b"\n".join(made.lines[:rows]) + b"\n")


def _measured(command: list[str], most_exit_code: int) -> tuple[float, float, float]:
    """Seconds of the clock and of the processors, and the most MB held."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    most, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            most[0] = max(most[0], _held_mb(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    if process.wait() > most_exit_code:
        raise SystemExit(f"{command[:3]} failed with {process.returncode}")
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    done.set()
    watcher.join()
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, busy, most[0]


def _held_mb(pid: int) -> float:
    held = 0
    try:
        parent = psutil.Process(pid)
        for each in (parent, *parent.children(recursive=True)):
            held += each.memory_full_info().pss
    except psutil.Error:
        pass  # it has just ended
    return held / 1e6


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--others-rows", type=int, default=10_000)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        all_rows, fewer = Path(folder) / "rows.jsonl", Path(folder) / "fewer.jsonl"
        _write(all_rows, told.rows)
        fewer.write_bytes(b"".join(all_rows.open("rb").readlines()[: told.others_rows]))
        megabytes = all_rows.stat().st_size / 1e6
        hone = [str(Path(sys.executable).with_name("hone")), "dataset", "check", str(all_rows)]
        contestants = [("hone dataset check, all gates", hone, told.rows)]
        if importlib.util.find_spec("datasketch"):
            contestants.append(
                (
                    "datasketch, near-duplicates alone",
                    [sys.executable, "-c", _DATASKETCH, str(fewer)],
                    told.others_rows,
                )
            )
        if importlib.util.find_spec("pandas"):
            contestants.append(
                ("pandas, exact duplicates alone", [sys.executable, "-c", _PANDAS, str(all_rows)], told.rows)
            )
        print(f"{told.rows:,} rows, {megabytes:.0f} MB")
        first = 0.0
        for name, command, rows in contestants:
            seconds, busy, held = _measured(command, int(command == hone))  # 1: there are errors in the rows
            first = first or busy / rows
            ratio = f"{busy / rows / first:6.2f} times the processors' time a row"
            print(
                f"{name:36} {seconds:7.1f} s, {busy:6.1f} s of the processors, {rows / seconds:8,.0f} rows/s,"
                f" {held:5.0f} MB, {ratio}"
            )


if __name__ == "__main__":
    main()
