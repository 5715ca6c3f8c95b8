"""Each service is killed at each step of the loop: the run ends once, and the registry is consistent."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import nats
import pytest
from example_follower import ExampleFollower
from fake_upstream import FakeUpstream, serving_upstream
from machine import Machine
from team import TYPE, Team
from team_texts import texts

from hone_contracts.deployment import ModelDeployed
from hone_contracts.evaluation import EvaluateVersions, EvaluationCompleted
from hone_contracts.messages import Message
from hone_contracts.training import TrainingCompleted, TrainingStarted

pytestmark = pytest.mark.timeout(900)

SETTINGS = {
    "HONE_ACK_WAIT_S": "2",
    "HONE_RETRY_DELAY_S": "0.1",
    "HONE_LOOP_CANARY_SHARE": "0",
    "HONE_LOOP_ENABLED": "false",
}
ROUTES = "{type}:\n  model: openai+{url}:follower\n  reading: whole\n"
STEPS: tuple[type[Message], ...] = (
    TrainingStarted,
    TrainingCompleted,
    ModelDeployed,
    EvaluateVersions,
    EvaluationCompleted,
)


@pytest.mark.parametrize("victim", ["gateway", "trainer", "hub", "registry", "generator", "nats"])
async def test_a_run_ends_once_whoever_is_killed_at_whichever_step(
    machine: Callable[..., Machine], tmp_path: Path, victim: str
) -> None:
    learned = texts(1, 16)
    with serving_upstream(FakeUpstream(answer=ExampleFollower(learned))) as upstream:
        hone = machine(HONE_LOCAL_SERVERS=upstream.openai_url, **SETTINGS)
        hone.up()
        (tmp_path / "routes.yaml").write_text(ROUTES.format(type=TYPE, url=upstream.openai_url))
        assert hone.hone("routes", "apply", str(tmp_path / "routes.yaml")).returncode == 0
        with ExitStack() as clients:
            team = Team(clients.enter_context(hone.client()), f"openai+{upstream.openai_url}:follower")
            team.corrected(learned)
            for number, step in enumerate(STEPS):
                if number == 3:  # what dies five times in a minute stays down
                    hone.down()
                    hone.up()
                    team.http = clients.enter_context(hone.client())
                run = await ended_although_killed(hone, team, victim, step)
                assert run["state"] == "succeeded", (step.__name__, run["error"], hone.logs())
                assert len(team.runs()) == number + 1
            versions = team.versions()
            assert sorted(versions) == [1, 2, 3, 4, 5, 6], "one version a run, and the model as it came"
            assert [each["state"] for each in versions.values()].count("champion") == 1
            assert {each["state"] for each in versions.values()} <= {
                "champion",
                "retired",
                "challenger",
                "rejected",
            }
            (champion,) = (each for each in versions.values() if each["state"] == "champion")
            assert team.until(team.route)["version"] == champion["version"]
            assert team.artifact(learned[0].requirements)["version"] == champion["version"]
            evaluated = [each["challenger"] for each in team.evaluations()]
            assert sorted(evaluated) == [2, 3, 4, 5, 6], "each was judged once"


async def ended_although_killed(
    hone: Machine, team: Team, victim: str, step: type[Message]
) -> dict[str, Any]:
    """A run by hand, with the victim killed as soon as the message of the step was on the bus."""
    client = await nats.connect(hone.state["nats"]["url"], max_reconnect_attempts=0)
    heard = await client.subscribe(step.subject)
    await client.flush()
    # What was killed before is being started again.
    answer = team.until(
        lambda: team.http.post("/api/train", json={"type": TYPE, "method": "few_shot"}),
        lambda answer: answer.status_code == 202,
    )
    await heard.next_msg(120)
    hone.kill(victim)
    await client.close()
    return team.ended(answer.json()["job_id"])
