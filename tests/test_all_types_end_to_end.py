"""`hone generate` for every artifact type, as a user runs it: by the starter where it can, else by a larger model."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_upstream import FakeUpstream, serving_upstream
from fake_upstream_answers import ANSWERS
from machine import Machine

from hone_contracts.artifacts import ArtifactType

LIBRARY = Path("examples/library/requirements.md")
BY_THE_STARTER = {
    ArtifactType.MERMAID_ERD, ArtifactType.MERMAID_CLASS, ArtifactType.SQL_DDL, ArtifactType.JSON_SCHEMA,
    ArtifactType.OPENAPI, ArtifactType.PYTHON_CODE,
}  # fmt: skip
BY_ITS_VALIDATORS = {"syntax", "structure", "references", "coverage", "grounding", "purity", "style"}


def test_every_type_has_an_answer_here() -> None:
    assert set(ANSWERS) == {each.value for each in ArtifactType}


@pytest.mark.parametrize("artifact_type", sorted(BY_THE_STARTER))
def test_what_follows_from_facts_is_made_by_the_starter_out_of_the_box(
    shared_machine: Machine, artifact_type: ArtifactType
) -> None:
    done = shared_machine.hone("generate", "--type", artifact_type, "-f", str(LIBRARY), "--json")
    assert done.returncode == 0, done.stderr
    artifact = json.loads(done.stdout)
    assert artifact["model"] == "llamacpp:hone-starter"
    verdicts = {each["name"]: each["passed"] for each in artifact["validators"]}
    assert verdicts["syntax"] and verdicts["references"]
    assert "loan" in artifact["content"].lower()


@pytest.mark.parametrize("artifact_type", sorted(set(ArtifactType) - BY_THE_STARTER))
def test_a_type_that_the_starter_cannot_make_says_what_to_do(
    shared_machine: Machine, artifact_type: ArtifactType
) -> None:
    done = shared_machine.hone("generate", "--type", artifact_type, "-f", str(LIBRARY))
    assert done.returncode == 1
    assert "ollama pull" in done.stderr or "hone routes apply" in done.stderr


@pytest.fixture(scope="module")
def served_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """One whose routes name a server that speaks OpenAI's protocol; each type has a model of its own there."""
    folder = tmp_path_factory.mktemp("served")
    with serving_upstream(FakeUpstream()) as upstream:
        machine = Machine(folder / "data")
        machine.up()
        routes = folder / "routes.yaml"
        routes.write_text(
            "".join(
                f"{each.value}: {{model: 'openai+{upstream.openai_url}:good:{each.value}'}}\n"
                for each in ArtifactType
            )
        )
        applied = machine.hone("routes", "apply", str(routes))
        assert applied.returncode == 0, applied.stderr
        yield machine
        machine.down()


@pytest.mark.parametrize("artifact_type", list(ArtifactType))
def test_every_type_is_made_by_a_general_model_and_judged_by_all_validators(
    served_machine: Machine, tmp_path: Path, artifact_type: ArtifactType
) -> None:
    done = served_machine.hone("generate", "--type", artifact_type, "-f", str(LIBRARY), "--json")
    assert done.returncode == 0, done.stderr
    artifact = json.loads(done.stdout)
    assert artifact["accepted"], artifact["reasons"]
    assert artifact["model"].endswith(f":good:{artifact_type}")
    assert {each["name"] for each in artifact["validators"]} == BY_ITS_VALIDATORS
    assert "```" not in artifact["content"] and "Here is" not in artifact["content"]
    assert len(artifact["attempts"]) == 1

    file = tmp_path / "artifact"
    file.write_text(artifact["content"])
    again = served_machine.hone(
        "validate", "--type", artifact_type, str(file), "--requirements", str(LIBRARY), "--json"
    )
    assert again.returncode == 0, again.stdout + again.stderr
    assert abs(json.loads(again.stdout)["score"] - artifact["score"]) <= 10
