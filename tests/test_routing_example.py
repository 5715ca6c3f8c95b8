"""The routing example of the README, as a team uses it: a model in Ollama, a second one, then Gemini."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_ollama import FakeOllama, serving
from fake_ollama_model import FakeModel
from fake_upstream import FakeUpstream, serving_upstream
from machine import Machine

FIRST, SECOND, GEMINI = "ollama:qwen2.5-coder:7b", "ollama:llama3.1:8b", "gemini:gemini-2.5-flash"
REQUIREMENTS = (
    "A member returns a book. If the book is late, the member pays a fine; otherwise nothing is due."
)
GOOD = json.dumps(
    {
        "reasoning": "The return sets it off; whether the book is late decides.",
        "nodes": [
            {"id": "start", "kind": "start", "label": "Member returns book", "group": "", "evidence": ""},
            {"id": "late", "kind": "decision", "label": "Book late?", "group": "", "evidence": ""},
            {"id": "fine", "kind": "process", "label": "Member pays a fine", "group": "", "evidence": ""},
            {"id": "nothing", "kind": "end", "label": "Nothing is due", "group": "", "evidence": ""},
        ],
        "edges": [
            {"from": "start", "to": "late", "label": "", "evidence": ""},
            {"from": "late", "to": "fine", "label": "yes", "evidence": ""},
            {"from": "late", "to": "nothing", "label": "otherwise", "evidence": ""},
            {"from": "fine", "to": "nothing", "label": "", "evidence": ""},
        ],
        "groups": [],
    }
)
POOR = json.dumps({"reasoning": "", "nodes": [], "edges": [], "groups": []})


class Team:
    """A Hone with the example's routes, and the three models that they name."""

    def __init__(self, machine: Machine, ollama: FakeOllama, upstream: FakeUpstream) -> None:
        self._machine, self.ollama, self.upstream = machine, ollama, upstream

    def models_say(self, first: str, second: str, gemini: str) -> None:
        for reference, says in ((FIRST, first), (SECOND, second)):
            name = reference.removeprefix("ollama:")
            self.ollama.add(FakeModel(name, says=says))
        self.upstream.answers[GEMINI.removeprefix("gemini:")] = gemini
        self.ollama.chats.clear()
        self.upstream.requests.clear()

    def generated(self) -> dict[str, Any]:
        done = self._machine.hone("generate", "-t", "mermaid_flowchart", "-r", REQUIREMENTS, "--json")
        assert done.returncode == 0, done.stderr + self._machine.logs()
        artifact: dict[str, Any] = json.loads(done.stdout)
        return artifact


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    folder = tmp_path_factory.mktemp("team")
    with serving(FakeOllama()) as ollama, serving_upstream(FakeUpstream()) as upstream:
        machine = Machine(
            folder / "data",
            OLLAMA_HOST=ollama.url,
            GOOGLE_GEMINI_BASE_URL=upstream.gemini_url,
            GEMINI_API_KEY="a-key-of-gemini-0123456789",
        )
        machine.up()
        applied = machine.hone("routes", "apply", str(Path("examples/routes.yaml").resolve()))
        assert applied.returncode == 0, applied.stderr
        yield Team(machine, ollama, upstream)
        machine.down()


def tried(artifact: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["model"], each["outcome"]) for each in artifact["attempts"]]


def test_a_good_answer_of_the_first_model_asks_nobody_else(team: Team) -> None:
    team.models_say(GOOD, GOOD, GOOD)
    artifact = team.generated()
    assert (artifact["model"], artifact["accepted"], len(artifact["attempts"])) == (FIRST, True, 1)
    assert {chat["model"] for chat in team.ollama.chats} == {FIRST.removeprefix("ollama:")}
    assert team.upstream.requests == []


def test_bad_answers_are_mended_and_then_the_second_model_is_asked(team: Team) -> None:
    team.models_say(POOR, GOOD, GOOD)
    artifact = team.generated()
    assert (artifact["model"], artifact["accepted"]) == (SECOND, True)
    assert tried(artifact) == [(FIRST, "answered")] * 3 + [(SECOND, "answered")]
    assert [each["kind"] for each in artifact["attempts"]] == ["first", "repair", "repair", "first"]
    assert team.upstream.requests == []


def test_gemini_is_the_last_resort_and_its_cost_is_told(team: Team) -> None:
    team.models_say(POOR, POOR, GOOD)
    artifact = team.generated()
    assert (artifact["model"], artifact["accepted"]) == (GEMINI, True)
    assert tried(artifact) == [(FIRST, "answered")] * 3 + [(SECOND, "answered")] * 3 + [(GEMINI, "answered")]
    assert artifact["attempts"][-1]["cost_usd"] > 0
    assert all(each["cost_usd"] == 0 for each in artifact["attempts"][:-1])
    assert [each.protocol for each in team.upstream.requests] == ["gemini"]


def test_where_all_are_bad_the_best_is_returned_and_not_accepted(team: Team) -> None:
    team.models_say(POOR, POOR, POOR)
    artifact = team.generated()
    assert not artifact["accepted"]
    assert artifact["score"] == max(each["score"] for each in artifact["attempts"])
    assert len(artifact["attempts"]) == 9


def test_a_model_that_is_not_there_costs_one_attempt_and_no_answer(team: Team) -> None:
    team.models_say(GOOD, GOOD, GOOD)
    name = FIRST.removeprefix("ollama:")
    del team.ollama.models[name]
    team.ollama.loaded.pop(name, None)
    artifact = team.generated()
    assert tried(artifact) == [(FIRST, "failed"), (SECOND, "answered")]
    assert "ollama pull" in artifact["attempts"][0]["error"]
