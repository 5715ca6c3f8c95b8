"""What a request costs beyond the model: Hone's /v1/chat/completions beside LiteLLM's proxy, in one run.

    python bench/overhead.py [--requests 3000] [--rounds 3] [--connections 1 32] [--stream] [--litellm-workers 1]
                             [--without-litellm] [--json]

Both check a key and ask the same upstream over HTTP, which answers at once; the same load generator asks both, in
turns. Hone is measured a second time with an instant model inside its generator: that is its own path alone (gateway,
NATS, generator). Everything shares this machine's cores with the upstream and the load generator. The figures are
medians over the rounds.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import litellm_proxy
import load
import processes
import whole_hone

_TARGET_P50_MS, _TARGET_PER_S = 2.5, 800
_ASKED = {"messages": [{"role": "user", "content": "Say hello."}], "temperature": 0, "max_tokens": 64}


@dataclass(frozen=True)
class Contender:
    name: str
    port: int
    key: str
    model: str
    pid: int
    stream: bool

    def ask(self, requests: int, connections: int) -> load.Load:
        body = json.dumps({"model": self.model, "stream": self.stream} | _ASKED).encode()
        answer = load.run(self.port, load.post("/v1/chat/completions", body, self.key), requests, connections)
        if answer.failed:
            raise SystemExit(f"{self.name}: {answer.failed} of {answer.requests} requests failed")
        return answer


@contextmanager
def upstream() -> Iterator[int]:
    """A process of its own; gives its port."""
    command = [sys.executable, str(Path(__file__).with_name("instant_upstream.py"))]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        yield int(server.stdout.readline())
    finally:
        server.terminate()
        server.wait(10)


def main() -> None:
    options = _options()
    with ExitStack() as stack:
        port = stack.enter_context(upstream())
        environment = {"OPENAI_BASE_URL": f"http://127.0.0.1:{port}/v1"}
        hone = stack.enter_context(whole_hone.up(environment=environment))
        contenders = [
            Contender("hone", hone.port, hone.key, "openai:instant", hone.pid, options.stream),
            Contender(
                "hone, model in-process", hone.port, hone.key, "ollama:instant", hone.pid, options.stream
            ),
        ]
        if not options.without_litellm:
            contenders.append(_litellm(stack, port, options))
        results = [
            _measured(contenders, connections, options.requests, options.rounds)
            for connections in options.connections
        ]
        memory = {each.name: round(processes.pss_mib(each.pid), 1) for each in contenders}
    report = {"results": results, "pss_mib": memory, "target": _target(results)}
    print(json.dumps(report) if options.json else _shown(report))


def _litellm(stack: ExitStack, upstream_port: int, options: argparse.Namespace) -> Contender:
    try:
        port, pid = stack.enter_context(litellm_proxy.up(upstream_port, options.litellm_workers))
    except litellm_proxy.NotInstalled as error:
        raise SystemExit(
            f"LiteLLM {litellm_proxy.VERSION} cannot be installed here: {error}\n"
            "Run with --without-litellm to measure Hone alone."
        ) from error
    return Contender(
        f"litellm {litellm_proxy.VERSION}", port, litellm_proxy.KEY, "instant", pid, options.stream
    )


def _measured(contenders: list[Contender], connections: int, requests: int, rounds: int) -> dict[str, Any]:
    found: dict[str, list[load.Load]] = {each.name: [] for each in contenders}
    for each in contenders:
        each.ask(max(50, requests // 20), connections)
    for _ in range(rounds):
        for each in contenders:
            slow = each.name.startswith("litellm")  # a tenth of the requests take it as long
            found[each.name].append(each.ask(requests // 10 if slow else requests, connections))
    by_name = {name: _median(loads) for name, loads in found.items()}
    return {"connections": connections, "contenders": by_name, "ratios": _ratios(by_name)}


def _median(loads: list[load.Load]) -> dict[str, float]:
    keys = ("p50_ms", "p99_ms", "per_s")
    return {key: round(statistics.median(asdict(each)[key] for each in loads), 3) for key in keys}


def _ratios(by_name: dict[str, dict[str, float]]) -> dict[str, float]:
    """How many times faster Hone is, both asking the upstream over HTTP."""
    other = next((figures for name, figures in by_name.items() if name.startswith("litellm")), None)
    if other is None:
        return {}
    own = by_name["hone"]
    return {
        "p50": round(other["p50_ms"] / own["p50_ms"], 1),
        "p99": round(other["p99_ms"] / own["p99_ms"], 1),
        "per_s": round(own["per_s"] / other["per_s"], 1),
    }


def _target(results: list[dict[str, Any]]) -> dict[str, Any]:
    own = {each["connections"]: each["contenders"]["hone, model in-process"] for each in results}
    return {
        "p50_ms_at_1": {"target": _TARGET_P50_MS, "measured": own.get(1, {}).get("p50_ms")},
        "per_s_at_32": {"target": _TARGET_PER_S, "measured": own.get(32, {}).get("per_s")},
    }


def _shown(report: dict[str, Any]) -> str:
    lines = []
    for result in report["results"]:
        lines.append(f"{result['connections']} connections")
        for name, figures in result["contenders"].items():
            lines.append(
                f"  {name:24} p50 {figures['p50_ms']:9.2f} ms   p99 {figures['p99_ms']:9.2f} ms   "
                f"{figures['per_s']:8.0f} requests/s"
            )
        if ratios := result["ratios"]:
            lines.append(
                f"  hone is faster by        p50 {ratios['p50']:9.1f} x    p99 {ratios['p99']:9.1f} x    "
                f"{ratios['per_s']:8.1f} x"
            )
    lines += [f"memory (PSS) {name}: {mib:.0f} MiB" for name, mib in report["pss_mib"].items()]
    for name, figures in report["target"].items():
        lines.append(f"target {name}: {figures['target']}, measured {figures['measured']}")
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--stream", action="store_true", help="streamed answers; times are to their ends")
    parser.add_argument("--litellm-workers", type=int, default=1)
    parser.add_argument("--without-litellm", action="store_true")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
