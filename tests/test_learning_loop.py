"""The whole loop on the embedded default: real feedback, real training, real inference, nothing played.

A team corrects what the starter makes of its texts, by conventions that the starter does not know. Hone learns them,
proves it, lets the new version answer, and takes back what turns bad.
"""

import statistics
from collections.abc import Callable, Sequence

import pytest
from machine import Machine
from team import TYPE, Team, relations_f1
from team_texts import TeamText, texts

pytestmark = pytest.mark.timeout(900)

# Everything as it ships, but for waiting: the canary gets half of the traffic instead of a tenth, and as few answers
# as show something, since each of them is a real one. A third is held out, and not a fifth: by ten prompts a true
# gain is not proven in one run of twenty.
QUICK = {
    "HONE_LOOP_MIN_INTERVAL_S": "0",
    "HONE_LOOP_HELD_OUT_SHARE": "0.34",
    "HONE_LOOP_CANARY_SHARE": "0.5",
    "HONE_LOOP_CANARY_MIN_ANSWERS": "8",
}


def test_fifty_corrections_make_the_model_better_and_what_turns_bad_is_taken_back(
    machine: Callable[..., Machine],
) -> None:
    """A story of four chapters on one machine: each needs what the one before left."""
    hone = machine(**QUICK)
    hone.up()
    with hone.client() as http:
        team = Team(http)
        the_team_is_learned_from(team)
        the_canary_that_does_well_answers_everybody(team)
        a_champion_that_turns_bad_is_replaced(hone, team)
        rolling_back_by_hand_takes_one_command(hone, team)


def the_team_is_learned_from(team: Team) -> None:
    team.corrected(texts(1, 55))  # some that the validators doubt are no examples
    run = team.run()
    assert run["state"] == "succeeded", run["error"]
    assert run["result"]["verdict"] == "canary", run["result"]
    assert run["result"]["version"] == 2
    (evaluation,) = team.evaluations()
    assert any("quality" in reason for reason in evaluation["reasons"]), evaluation["reasons"]
    canary = team.route()["canary"]
    assert canary["version"] == 2
    assert canary["share"] == 0.5
    held_out = texts(2, 12, held_out=True)
    before, after = convention_kept(team, held_out, 1), convention_kept(team, held_out, 2)
    assert after > before + 0.2, f"relation F1 on texts of other trades: {before:.2f}, now {after:.2f}"


def convention_kept(team: Team, asked: Sequence[TeamText], version: int) -> float:
    """Mean relation F1 of answers to texts, all by the version that is named."""
    found = []
    for text in asked:
        artifact = team.artifact(text.requirements, model=f"{team.model}@{version}")
        assert artifact["version"] == version
        found.append(relations_f1(artifact, text))
    return statistics.mean(found)


def the_canary_that_does_well_answers_everybody(team: Team) -> None:
    def champion() -> int:
        team.artifacts(text.requirements for text in texts(3, 10))
        return int(team.route()["version"])

    team.until(champion, lambda version: version == 2, limit_s=300)
    assert team.route()["canary"] is None
    assert team.artifact(texts(4, 1)[0].requirements)["version"] == 2
    assert "champion" in " ".join(team.versions()[2]["aliases"])


def a_champion_that_turns_bad_is_replaced(hone: Machine, team: Team) -> None:
    """People find its answers wrong from one day on."""

    def champion() -> int:
        for number, artifact in enumerate(team.artifacts(text.requirements for text in texts(5, 10))):
            if artifact["version"] == 2:
                team.said(artifact, number, thumb="down")
        return int(team.route()["version"])

    team.until(champion, lambda version: version == 1, limit_s=300)
    assert team.artifact(texts(6, 1)[0].requirements)["version"] == 1
    assert team.versions()[2]["state"] == "rolled_back"
    audit = hone.hone("models", "audit")
    assert "rolled back" in audit.stdout.replace("_", " "), audit


def rolling_back_by_hand_takes_one_command(hone: Machine, team: Team) -> None:
    promoted = hone.hone("models", "promote", team.model, "2", "--type", TYPE)
    assert promoted.returncode == 0, promoted.stderr
    assert team.artifact(texts(6, 1)[0].requirements)["version"] == 2
    back = hone.hone("models", "rollback", team.model)
    assert back.returncode == 0, back.stderr
    assert team.artifact(texts(6, 1)[0].requirements)["version"] == 1


def test_a_version_that_is_worse_is_rejected_with_its_figures(machine: Callable[..., Machine]) -> None:
    """The starter does not follow examples before its question: they only confuse it, and the evaluation shows it."""
    hone = machine(**QUICK)
    hone.up()
    with hone.client() as http:
        team = Team(http)
        team.corrected(texts(7, 40))
        done = hone.hone("train", "--type", TYPE, "--method", "few_shot", "--json", timeout_s=300)
        run = team.run()
        assert run["state"] == "succeeded", run["error"]
        assert run["result"]["verdict"] == "rejected", run["result"]
        assert '"rejected"' in done.stdout
        means = run["result"]["figures"]["means"]["quality"]
        assert means["challenger"] < means["champion"]
        assert team.versions()[2]["state"] == "rejected"
        route = team.route()
        assert (route["version"], route["canary"]) == (1, None)
        assert team.artifact(texts(8, 1)[0].requirements)["version"] == 1


def test_a_batch_of_wrong_corrections_leaves_the_champion(machine: Callable[..., Machine]) -> None:
    """Each text is given the diagram of another: nothing of it stands in the requirements."""
    hone = machine(**QUICK)
    hone.up()
    with hone.client() as http:
        team = Team(http)
        asked, others = texts(9, 55), reversed(texts(10, 55))
        wrong = {text.requirements: other.correct for text, other in zip(asked, others, strict=True)}
        team.corrected(asked, lambda text: wrong[text.requirements])
        assert team.runs() == []
        route = team.route()
        assert (route["version"], route["canary"]) == (1, None)
        assert [version["state"] for version in team.versions().values()] == ["champion"]
