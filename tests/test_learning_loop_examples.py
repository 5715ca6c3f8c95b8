"""The fast loop: examples are chosen and stand before the question of a model that can follow them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from example_follower import ExampleFollower
from fake_upstream import FakeUpstream, serving_upstream
from machine import Machine
from team import Team, relations_f1
from team_texts import texts

pytestmark = pytest.mark.timeout(600)

ROUTES = "mermaid_erd:\n  model: openai+{url}:follower\n  reading: whole\n"
LOOP = {"HONE_LOOP_MIN_INTERVAL_S": "0", "HONE_LOOP_CANARY_SHARE": "0"}


def test_a_model_that_follows_examples_keeps_the_teams_conventions_after_fifty_corrections(
    machine: Callable[..., Machine], tmp_path: Path
) -> None:
    learned, held_out = texts(1, 55), texts(2, 6, held_out=True)
    follower = ExampleFollower([*learned, *held_out])
    with serving_upstream(FakeUpstream(answer=follower)) as upstream:
        hone = machine(HONE_LOCAL_SERVERS=upstream.openai_url, **LOOP)
        hone.up()
        (tmp_path / "routes.yaml").write_text(ROUTES.format(url=upstream.openai_url))
        applied = hone.hone("routes", "apply", str(tmp_path / "routes.yaml"))
        assert applied.returncode == 0, applied.stderr
        with hone.client() as http:
            team = Team(http, f"openai+{upstream.openai_url}:follower")
            before = team.artifact(held_out[0].requirements)
            assert follower.shown_examples == 0
            team.corrected(learned)
            run = team.run()
            assert run["state"] == "succeeded", run["error"]
            assert run["result"]["verdict"] == "promoted", run["result"]
            assert follower.shown_examples > 0
            after = team.artifacts(text.requirements for text in held_out)
    assert {artifact["version"] for artifact in after} == {2}
    assert relations_f1(before, held_out[0]) < 1
    assert [relations_f1(artifact, text) for artifact, text in zip(after, held_out, strict=True)] == [1] * 6
