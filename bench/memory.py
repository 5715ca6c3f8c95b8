"""Whether memory stays flat: 100,000 chats through gateway, NATS and generator, a tenth of them streamed.

    python bench/memory.py [--requests 100000] [--connections 16] [--json]

Resident memory of the two services after a warm-up, and after each tenth of the requests. What counts is the second
half: buffers, pools and caches have come to their size by then, and what grows on is a leak. Exits with 1 when one of
them grew by more than the target.
"""

import argparse
import json
import sys

import load
import processes
import whole_hone

_TARGET_GROWTH_MIB = 4.0  # over the second half
_WARM_UP = 3000
_SERVICES = ("gateway", "generator")
_ASKED = {"model": "ollama:instant", "messages": [{"role": "user", "content": "Say hello."}]}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    tenth = options.requests // 10
    with whole_hone.up() as hone:
        ask(hone, _WARM_UP, options.connections)
        seen = {name: [rss(hone, name)] for name in _SERVICES}
        for _ in range(10):
            ask(hone, tenth, options.connections)
            for name in _SERVICES:
                seen[name].append(rss(hone, name))
    growth = {name: round(figures[-1] - figures[5], 1) for name, figures in seen.items()}
    report = {"requests": 10 * tenth, "rss_mib": seen, "growth_mib": growth, "target_mib": _TARGET_GROWTH_MIB}
    print(json.dumps(report) if options.json else shown(report["requests"], seen, growth))
    sys.exit(int(any(each > _TARGET_GROWTH_MIB for each in growth.values())))


def ask(hone: whole_hone.Hone, requests: int, connections: int) -> None:
    """Nine tenths whole, one tenth streamed."""
    for body, count in ((_ASKED, requests * 9 // 10), (_ASKED | {"stream": True}, requests // 10)):
        request = load.post("/v1/chat/completions", json.dumps(body).encode(), hone.key)
        answer = load.run(hone.port, request, count, connections)
        if answer.failed:
            raise SystemExit(f"{answer.failed} of {answer.requests} requests failed")


def rss(hone: whole_hone.Hone, service: str) -> float:
    return round(processes.memory_mib(hone.pid_of(service))["rss"], 1)


def shown(requests: int, seen: dict[str, list[float]], growth: dict[str, float]) -> str:
    lines = [f"{requests} requests; RSS in MiB at the start and after each tenth"]
    for name, figures in seen.items():
        lines.append(f"{name:10} {' '.join(f'{each:6.1f}' for each in figures)}")
        lines.append(f"{'':10} second half: {growth[name]:+.1f} (target at most {_TARGET_GROWTH_MIB:+g})")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
