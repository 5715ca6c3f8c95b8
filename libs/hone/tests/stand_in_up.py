"""`hone up` with stand-in services: the same command, other data. Arguments: the plan's JSON, then `hone`'s own."""

from __future__ import annotations

import json
import sys
from functools import partial

from hone.cli.main import run
from hone.launcher.plan import LaunchPlan, ServiceSpec
from hone.launcher.restarts import RestartPolicy

if __name__ == "__main__":
    wanted = json.loads(sys.argv[1])
    services = tuple(
        ServiceSpec(name, target, "stand_in_service:serve") for name, target in wanted.pop("services").items()
    )
    policy = RestartPolicy(first_delay_s=0.02, crashes=3, window_s=60)
    make_plan = partial(LaunchPlan, services=services, preload=("json",), restarts=policy, **wanted)
    sys.exit(run(sys.argv[2:], make_plan))
