"""How light `hone up` is: seconds to ready and resident memory, by process and in all.

    python bench/footprint.py [--starts 3] [--settle 2] [--json] [-- COMMAND …]

PSS counts a page shared by n processes as 1/n in each, so its sum is what the machine really gives; the sum of RSS
counts shared pages once per process. Linux only (/proc/PID/smaps_rollup). COMMAND replaces `hone`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import processes

_TARGET_PSS_MIB, _TARGET_READY_S = 300, 3


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--starts", type=int, default=3, help="the first one is cold and told apart")
    parser.add_argument("--settle", type=float, default=2, help="seconds between ready and measuring")
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "command", nargs="*", default=[sys.executable, "-c", "from hone.cli.main import main; main()"]
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hone-footprint-") as data:
        runs = [measure(options.command, data, options.settle) for _ in range(options.starts)]
    first, warm = runs[0], runs[1:] or runs
    report = {
        "ready_s": {"first": first["ready_s"], "warm": statistics.median(run["ready_s"] for run in warm)},
        "cpu_s": warm[-1]["cpu_s"],
        "pss_mib": warm[-1]["pss_mib"],
        "rss_mib": warm[-1]["rss_mib"],
        "stop_s": warm[-1]["stop_s"],
        "processes": warm[-1]["processes"],
        "target": {"pss_mib": _TARGET_PSS_MIB, "ready_s": _TARGET_READY_S},
    }
    if options.json:
        print(json.dumps(report))
        return
    for process in report["processes"]:
        print(f"{process['name']:12} RSS {process['rss_mib']:7.1f} MiB   PSS {process['pss_mib']:7.1f} MiB")
    print(
        f"{'all':12} RSS {report['rss_mib']:7.1f} MiB   PSS {report['pss_mib']:7.1f} MiB (target {_TARGET_PSS_MIB})"
    )
    ready = report["ready_s"]
    print(f"ready in {ready['first']:.2f} s at first, {ready['warm']:.2f} s warm (target {_TARGET_READY_S})")
    print(f"CPU until then {report['cpu_s']:.2f} s, which a busy machine changes less")
    print(f"stopped in {report['stop_s']:.2f} s")


def measure(command: list[str], data: str, settle_s: float) -> dict[str, Any]:
    """One start and stop."""
    started = time.monotonic()
    arguments = ["up", "--detach", "--port", "0", "--data", data, "--json"]
    answer = subprocess.run([*command, *arguments], stdout=subprocess.PIPE, check=True)
    ready_s = time.monotonic() - started
    state = json.loads(answer.stdout)
    cpu_s = sum(_cpu_s(pid) for pid in processes.tree(state["pid"]))
    time.sleep(settle_s)
    names = {state["pid"]: "supervisor", state["nats"]["pid"]: "nats"}
    names |= {service["pid"]: name for name, service in state["services"].items()}
    found = [_memory(pid, names.get(pid, "")) for pid in processes.tree(state["pid"])]
    stopping = time.monotonic()
    subprocess.run([*command, "down", "--data", data], stderr=subprocess.DEVNULL, check=True)
    return {
        "ready_s": ready_s,
        "cpu_s": cpu_s,
        "stop_s": time.monotonic() - stopping,
        "rss_mib": sum(process["rss_mib"] for process in found),
        "pss_mib": sum(process["pss_mib"] for process in found),
        "processes": found,
    }


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")  # utime, stime


def _memory(pid: int, name: str) -> dict[str, Any]:
    own_name = Path(f"/proc/{pid}/comm").read_text().strip()
    memory = processes.memory_mib(pid)
    return {"name": name or f"{own_name} ({pid})", "rss_mib": memory["rss"], "pss_mib": memory["pss"]}


if __name__ == "__main__":
    main()
