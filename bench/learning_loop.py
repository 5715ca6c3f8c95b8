"""From the 50th good example to the changed route, everything included: `python bench/learning_loop.py [--json]`.

Twice, each on a Hone of its own under `hone up`: with the model that ships with Hone, whose weights are changed, and
with a model that follows examples (played, and answering at once: what is left is Hone's own time). A step begins
when the progress of the job says so; looking every 20 ms is as exact as it gets.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent.parent / "tests/support"))
from example_follower import ExampleFollower
from fake_upstream import FakeUpstream, serving_upstream
from machine import Machine
from team import TYPE, Team
from team_texts import TeamText, texts

_BATCH = 50
_HEARD_S = 3.0  # after which a correction has started no run
_LIMIT_S = 900.0


@contextmanager
def _hone(folder: Path, **environment: str) -> Iterator[tuple[Machine, Team]]:
    machine = Machine(folder / "data", **environment)
    machine.up()
    try:
        with machine.client() as http:
            yield machine, Team(http)
    finally:
        machine.down()


def _measured(team: Team, learned: list[TeamText]) -> dict[str, Any]:
    """Good examples are given until one is missing; the clock runs from the one that is the 50th."""
    artifacts = team.artifacts(text.requirements for text in learned)
    for number, (text, artifact) in enumerate(zip(learned, artifacts, strict=True), 1):
        began = time.monotonic()
        team.said(artifact, number, correction=text.correct)
        # Some corrections are no examples, so which one is the 50th shows when a run begins.
        while number >= _BATCH and time.monotonic() - began < _HEARD_S and not team.runs():
            time.sleep(0.02)
        if number >= _BATCH and team.runs():
            break
    steps, changed = _followed(team, began)
    run = team.run()
    return {
        "seconds": round(changed - began, 1),
        "steps": steps,
        "verdict": run["result"]["verdict"],
        "reasons": run["result"]["reasons"],
    }


def _followed(team: Team, began: float) -> tuple[dict[str, float], float]:
    """When each step began, in seconds after the example, until the route is another."""
    steps: dict[str, float] = {}
    while time.monotonic() - began < _LIMIT_S:
        (job,) = team.runs()[:1]
        stage = (job["progress"] or {}).get("stage", job["state"])
        steps.setdefault(stage, round(time.monotonic() - began, 1))
        route = team.route()
        if route["version"] != 1 or route["canary"] is not None:
            return steps, time.monotonic()
        if job["finished_at"]:
            raise SystemExit(f"the route did not change: {job['result'] or job['error']}")
        time.sleep(0.02)
    raise SystemExit(f"the route did not change in {_LIMIT_S:g} s")


def embedded() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="hone-bench-") as folder, _hone(Path(folder)) as (_, team):
        return _measured(team, texts(1, 60))


def by_examples() -> dict[str, Any]:
    learned = texts(1, 60)
    with (
        tempfile.TemporaryDirectory(prefix="hone-bench-") as folder,
        serving_upstream(FakeUpstream(answer=ExampleFollower(learned))) as upstream,
        _hone(Path(folder), HONE_LOCAL_SERVERS=upstream.openai_url) as (machine, team),
    ):
        model = f"openai+{upstream.openai_url}:follower"
        routes = Path(folder) / "routes.yaml"
        routes.write_text(f"{TYPE}:\n  model: {model}\n  reading: whole\n")
        applied = machine.hone("routes", "apply", str(routes))
        if applied.returncode:
            raise SystemExit(applied.stderr)
        team.model = model
        return _measured(team, learned)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", choices=["embedded", "examples"])
    options = parser.parse_args()
    found: dict[str, Any] = {"load before": os.getloadavg()[0]}
    if options.only != "embedded":
        found["examples"] = by_examples()
    if options.only != "examples":
        found["embedded"] = embedded()
    if options.json:
        print(json.dumps(found, indent=1))
        return
    for name in ("examples", "embedded"):
        if name in found:
            each = found[name]
            print(f"{name}: {each['seconds']} s to the changed route ({each['verdict']})")
            for step, began_s in each["steps"].items():
                print(f"  {began_s:6.1f} s  {step}")
            print("  " + "; ".join(each["reasons"]))


if __name__ == "__main__":
    main()
