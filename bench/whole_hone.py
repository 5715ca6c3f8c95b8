"""`hone up` for a benchmark: everything is real but the generator's model, which answers at once."""

import json
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_READY_LIMIT_S = 120


@dataclass(frozen=True)
class Hone:
    """One that is up. ``pid`` is the supervisor's."""

    state: dict[str, Any]
    key: str

    @property
    def port(self) -> int:
        return int(self.state["url"].rsplit(":", 1)[1])

    @property
    def pid(self) -> int:
        return int(self.state["pid"])

    def pid_of(self, service: str) -> int:
        return int(self.state["services"][service]["pid"])


@contextmanager
def up(generator: str = "instant_generator", environment: Mapping[str, str] | None = None) -> Iterator[Hone]:
    """``generator`` is the module that makes the generator."""
    os.environ.update(environment or {})
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="hone-bench-") as data:
        ready = spawn.Event()
        hone = spawn.Process(target=_serve, args=(data, generator, ready))
        hone.start()
        try:
            if not ready.wait(_READY_LIMIT_S):
                raise SystemExit(f"Hone did not get ready in {_READY_LIMIT_S} s")
            state = json.loads((Path(data) / "run" / "hone.json").read_text())
            key = (Path(data) / "keys" / "admin.key").read_text().strip()
            yield Hone(state, key)
        finally:
            hone.terminate()
            hone.join(30)


def _serve(data: str, generator: str, ready: Any) -> None:
    """In a process of its own, as the launcher needs one without threads."""
    from hone.launcher.plan import SERVICES, LaunchPlan, ServiceSpec  # noqa: PLC0415
    from hone.launcher.up import up as launch  # noqa: PLC0415

    sys.path.insert(0, str(Path(__file__).parent))
    services = tuple(
        ServiceSpec("generator", generator) if each.name == "generator" else each for each in SERVICES
    )

    class Tell:
        def progress(self, line: str) -> None:
            print(line, file=sys.stderr)

        def ready(self, state: Any) -> None:
            ready.set()

    launch(LaunchPlan(data=Path(data), port=0, services=services), Tell(), echo_warnings=False)
