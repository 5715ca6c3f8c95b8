"""`hone routes` as a user runs it: a running Hone follows the file, with no process restarted."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fake_upstream import FakeUpstream, serving_upstream
from machine import Machine

STARTER = "llamacpp:hone-starter"
REQUIREMENTS = "Each member has a name and an email. A member can have many loans."


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with serving_upstream(FakeUpstream()) as serving:
        yield serving


class Team:
    """A Hone that is up, and a routes file that its team edits."""

    def __init__(self, machine: Machine, file: Path) -> None:
        self.machine, self.file = machine, file

    def apply(self, text: str, *words: str) -> Any:
        self.file.write_text(text)
        return self.machine.hone("routes", "apply", str(self.file), *words)

    def generated(self, artifact_type: str) -> dict[str, Any]:
        done = self.machine.hone("generate", "-t", artifact_type, "-r", REQUIREMENTS, "--json")
        assert done.returncode == 0, done.stderr + self.machine.logs()
        artifact: dict[str, Any] = json.loads(done.stdout)
        return artifact

    def routes(self) -> dict[str, Any]:
        shown: dict[str, Any] = json.loads(self.machine.hone("routes", "show", "--json").stdout)
        return shown


@pytest.fixture
def team(machine: Callable[..., Machine], tmp_path: Path) -> Team:
    up = machine()
    up.up()
    return Team(up, tmp_path / "routes.yaml")


def test_the_next_job_follows_the_file_and_no_process_was_restarted(
    team: Team, upstream: FakeUpstream
) -> None:
    processes = {name: team.machine.pid(name) for name in ("gateway", "generator", "registry")}
    assert team.generated("mermaid_erd")["model"] == STARTER

    good = f"openai+{upstream.openai_url}:good"
    done = team.apply(f"mermaid_erd: {{model: '{good}', attempts_per_model: 1, threshold: 0}}")
    assert (done.returncode, done.stderr) == (0, ""), team.machine.logs()
    assert f"model {STARTER} → {good}" in done.stdout
    assert team.generated("mermaid_erd")["model"] == good
    assert team.generated("sql_ddl")["model"] == STARTER

    team.apply(f"default: {{model: '{good}', attempts_per_model: 1, threshold: 0}}")
    assert team.generated("sql_ddl")["model"] == good
    assert set(team.routes()["routes"]) == {"default"}

    done = team.apply("{}")
    assert "default: removed" in done.stdout
    assert team.generated("mermaid_erd")["model"] == STARTER
    assert {name: team.machine.pid(name) for name in processes} == processes


def test_a_model_that_the_request_names_is_asked_whatever_the_routes_say(team: Team) -> None:
    team.apply("default: {model: 'ollama:not-there'}")
    for artifact_type in ("mermaid_erd", "sql_ddl"):
        done = team.machine.hone(
            "generate", "-t", artifact_type, "-r", REQUIREMENTS, "--model", STARTER, "--json"
        )
        artifact = json.loads(done.stdout)
        assert (artifact["model"], artifact["accepted"]) == (STARTER, True)


def test_a_wrong_file_is_refused_with_every_line_and_the_old_routes_stay(team: Team) -> None:
    assert team.apply("mermaid_erd:\n  threshold: 70\n").returncode == 0
    before = team.routes()
    done = team.apply("mermaid_erd:\n  treshold: 80\nopenapi:\n  limits: {total: 5}\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        f"{team.file}:2: mermaid_erd.treshold: 'treshold' is no key here; did you mean threshold?",
        f"{team.file}:4: openapi.limits.total: '5' is not a duration; write 500ms, 5s, 10m, 1h or 1m30s",
        f"hone: {team.file} is not applied, it has 2 faults; the routes are as they were",
    ]
    assert team.routes() == before
    dry = team.apply("mermaid_erd:\n  threshold: 80\n", "--dry-run")
    assert "mermaid_erd: threshold 70 → 80" in dry.stdout
    assert team.routes() == before


def test_a_failure_lists_each_attempt_and_status_tells_of_the_providers(
    team: Team, upstream: FakeUpstream
) -> None:
    down, forbidden = (f"openai+{upstream.openai_url}:{name}" for name in ("down", "forbidden"))
    team.apply(f"mermaid_erd: {{model: '{down}', fallbacks: ['{forbidden}'], attempts_per_model: 1}}")
    done = team.machine.hone("generate", "-t", "mermaid_erd", "-r", REQUIREMENTS)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"attempt 1: {down}: failed" in done.stderr
    assert f"{forbidden}: failed" in done.stderr
    status = json.loads(team.machine.hone("status", "--json").stdout)
    assert {each["name"] for each in status["providers"]} == {
        "llamacpp", "ollama", "openai", "gemini", "anthropic", f"openai+{upstream.openai_url}",
    }  # fmt: skip
    llamacpp = next(each for each in status["providers"] if each["name"] == "llamacpp")
    assert llamacpp["ok"]
    assert [each["model"] for each in llamacpp["models"]] == [STARTER]
